"""What `emoasr.extract` is asked for, checked as a whole before anything heavy is imported."""

from typing import NamedTuple

import ml_collections

from emoasr.files import places
from emoasr.settings import bounds, choices, feature_sets, shards
from emoasr.system import extras


class Asked(NamedTuple):
    """The settings that are more than a value.

    Attributes:
        sets: feature sets.
        shard: the part of the corpus; None: all of it.
    """

    sets: feature_sets.FeatureSets
    shard: shards.Shard | None


def check(config: ml_collections.ConfigDict) -> Asked:
    """Checks every setting of an extraction, and that what it names is there.

    Raises:
        UserError: a setting is wrong, a file or folder is missing, or an extra is.
    """
    bounds.check(config)
    asked = Asked(feature_sets.parse(config.feature_sets, config.seed), shards.asked(config))
    choices.check_extraction(config)
    if config.engine == "ray":
        extras.require("ray", "config.engine=ray")
    if "egemaps" in asked.sets.built_in:
        extras.require("egemaps", "config.feature_sets: egemaps")
    places.check(config.corpus, config.recognizer, *asked.sets.recognizers.values())
    return asked
