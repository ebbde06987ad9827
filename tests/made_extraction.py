"""Small extractions, and what they leave."""

import json

import pandas as pd

from emoasr import config
from emoasr.extraction import feature_tables

SETS = ("neural", "random", "mfcc")


def settings(speech, recognizer, **changes):
    c = config.experiment("table")
    c.corpus.path = str(speech / "metadata.csv")
    c.corpus.root = ""
    c.recognizer = str(recognizer)
    c.feature_sets = ("neural", "random", "mfcc")
    c.workers = 1
    c.buckets = 2
    c.update(changes)
    return c


def record(workdir):
    return json.loads((workdir / "extract.json").read_text())


def tables(workdir, sets=SETS):
    return {name: feature_tables.read(workdir / "features" / f"{name}.parquet") for name in sets}


def assert_same(found, expected, atol=None):
    """To the last bit; in other batches, of so small a network, about."""
    limits = {"check_exact": True} if atol is None else {"atol": atol}
    for name, (table, metadata) in expected.items():
        pd.testing.assert_frame_equal(found[name][0], table, **limits)
        assert found[name][1] == metadata
