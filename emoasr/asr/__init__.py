"""The recognizer: front end, networks, text, decoding, language model, and its files."""
