"""Configurations come back from an extraction as they were."""

import json

import pytest

from emoasr import config
from emoasr.settings import configurations

_SHIPPED = configurations.shipped(config.experiment)


@pytest.mark.parametrize("name", _SHIPPED)
def test_what_an_extraction_stores_is_what_it_was_asked(tmp_path, name):
    asked = configurations.load(_SHIPPED[name])
    stored = {"config": json.loads(asked.to_json_best_effort())}
    (tmp_path / "extract.json").write_text(json.dumps(stored))
    found = configurations.stored(tmp_path, config.experiment)
    assert configurations.leaves(found) == configurations.leaves(asked)
