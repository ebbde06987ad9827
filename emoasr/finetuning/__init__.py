"""From audio to ratings, end to end: what is heard, one step, one fold, all folds."""
