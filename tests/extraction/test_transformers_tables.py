"""Feature tables of recognizers that are folders of transformers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_extraction import settings

import emoasr
from emoasr import extract as command
from emoasr.errors import UserError
from emoasr.extraction import feature_tables

FOLDERS = Path(__file__).parents[1] / "asr" / "of_transformers"
SETS = ("neural", "random")


@pytest.mark.parametrize("kind", ["whisper", "wav2vec2"])
def test_tables_are_those_of_the_recognizer_and_of_an_untrained_twin(speech, tmp_path, kind):
    c = settings(speech, FOLDERS / kind, feature_sets=SETS, tap="residual")
    command.main(c, tmp_path)
    neural, random = (
        feature_tables.read(tmp_path / "features" / f"{name}.parquet") for name in SETS
    )
    files = [str(speech / name) for name in neural[0].index]
    recognizer = emoasr.load_recognizer(FOLDERS / kind)
    np.testing.assert_allclose(neural[0], recognizer.features(files), atol=1e-4)
    assert neural[1]["recognizer"] == recognizer.digest
    assert random[0].shape == neural[0].shape == (12, 24)
    assert np.isfinite(random[0].to_numpy()).all() and not np.allclose(random[0], neural[0])
    before = neural[0]
    command.main(c, tmp_path)  # kept: what was asked for is what is there
    again, _ = feature_tables.read(tmp_path / "features" / "neural.parquet")
    pd.testing.assert_frame_equal(again, before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tap": "gate"}, "config.tap='gate': must be one of residual"),
        ({"tap": "residual", "feature_sets": ("mfcc",)}, "'mfcc': .*whisper hears no MFCCs"),
    ],
)
def test_what_it_does_not_have_is_refused_before_anything_is_computed(
    speech, tmp_path, changes, message
):
    with pytest.raises(UserError, match=message):
        command.main(settings(speech, FOLDERS / "whisper", **changes), tmp_path)
    assert not list(tmp_path.glob("features/*"))
