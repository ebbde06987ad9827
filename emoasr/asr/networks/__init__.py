"""From the front end's frames to symbol scores and taps."""
