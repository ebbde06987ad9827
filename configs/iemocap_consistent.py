"""IEMOCAP, the 7532 of its 10039 turns whose listeners agree on a category.

The paper's second experiment: the 100 best features of the first three layers, of the last three,
of all, and eGeMAPS. It takes "utterances for which the valence/arousal annotators were
consistent with each other", and does not say how that was determined. It counts 7532, exactly the
number of turns whose category is not `xxx`; so these are taken here. extract.json lists the others.

Cost: not measured on the corpus itself; three quarters of configs/iemocap.py.
Result: not measured on the corpus itself. The paper's table 2, with its own recognizer, trained on
VCTK (mean and variance of the MSE over ten speakers); eval prints it beside ours:

              arousal        valence
    first     .325   .069    .714   .114
    last      .357   .038    .661   .089
    neural    .296   .044    .621   .099
    eGeMAPS   .328   .064    .683   .124

    python -m emoasr.extract --config=iemocap_consistent --config.corpus.path=DIR --workdir=runs/c
    python -m emoasr.eval --config=iemocap_consistent --workdir=runs/c

`--config.corpus.consistent=rating` compares ratings, as the paper's sentence says: turns that two
or more listeners rated, none more than one point from another, in arousal and in valence.
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("iemocap")
    c.corpus.consistent = "category"
    c.feature_sets = (*config.FEATURE_SETS, "random-1", "random-2")  # three untrained networks
    c.eval.targets = ("arousal", "valence", "dominance")
    c.eval.layers.first = (0, 1, 2)
    c.eval.layers.last = (-3, -2, -1)
    return c
