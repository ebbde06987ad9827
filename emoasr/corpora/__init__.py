"""Corpora: tables of utterances, and a way to their samples."""

from emoasr.corpora.base import Corpus, Skipped, inputs_digest
from emoasr.corpora.opening import open_corpus

__all__ = ["Corpus", "Skipped", "inputs_digest", "open_corpus"]
