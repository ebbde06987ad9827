"""Corpora: tables of utterances, and a way to their samples."""

from emoasr.corpora.base import Corpus, Skipped, open_corpus

__all__ = ["Corpus", "Skipped", "open_corpus"]
