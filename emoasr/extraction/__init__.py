"""Passes over a corpus, the row store, shards and their merge, provenance, Ray."""
