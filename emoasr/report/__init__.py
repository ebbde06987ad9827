"""What a person looks at after `emoasr.eval`: the paper's table, figures, the page."""
