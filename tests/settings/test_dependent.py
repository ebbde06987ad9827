"""Fields that need others: named when they were given in vain, and only then."""

import pytest

from emoasr import config
from emoasr.settings import dependent

# a field, and what it needs
CASES = [
    ("corpus.hop", {"corpus.window": 2.0}),
    ("ray.actors", {"engine": "ray"}),
    ("ray.gpu_memory", {"engine": "ray"}),
    ("eval.selection.scope", {"eval.n_selected": 100}),
    ("eval.train_scale", {"eval.train_workdir": "runs/a"}),
    ("augment.min_band", {"augment.band_limit": 0.5}),
    ("augment.mel_mask", {"augment.mel_masks": 2}),
    ("augment.time_mask", {"augment.time_masks": 2}),
    ("augment.reverb_seconds", {"augment.reverb": 0.1}),
    ("augment.snr_low", {"augment.add_noise": 0.1}),
    ("augment.snr_high", {"augment.add_noise": 0.1}),
    ("finetune.norms", {"finetune.layers": -1}),
    ("finetune.rate_below", {"finetune.layers": 2}),
    ("train.init_weight", {"train.init": "english"}),
    ("train.teacher_weight", {"train.teacher": "whisper"}),
    ("distributed.timeout", {"distributed.coordinator": "auto"}),
    ("distributed.process_id", {"distributed.coordinator": "a:1"}),
    ("distributed.n_processes", {"distributed.coordinator": "a:1"}),
]
IN_VAIN = {  # the others' defaults are
    "eval.n_selected": 0, "finetune.layers": 0, "augment.band_limit": 0.0, "augment.mel_masks": 0,
    "augment.time_masks": 0,
}  # fmt: skip
PRETRAINING = ("train.", "augment.", "distributed.")


def _sentences(field, values):
    made = config.pretraining if field.startswith(PRETRAINING) else config.experiment
    c = made("transcribed" if made is config.pretraining else "table")
    c.update_from_flattened_dict(values)
    return list(dependent.without_effect(c, [field]))


@pytest.mark.parametrize(("field", "needed"), CASES)
def test_a_field_without_what_it_needs_is_named(field, needed):
    assert not _sentences(field, needed)
    without = {name: IN_VAIN[name] for name in needed if name in IN_VAIN}
    (sentence,) = _sentences(field, without)
    assert (
        sentence.startswith(f"--config.{field} ") and f"--config.{next(iter(needed))}=" in sentence
    )


def test_a_number_of_a_process_has_no_effect_on_a_cluster_that_jax_knows():
    (sentence,) = _sentences("distributed.process_id", {"distributed.coordinator": "auto"})
    assert "coordinator=HOST:PORT" in sentence


@pytest.mark.parametrize("field", ["corpus.window", "engine", "eval.n_selected", "eval.scale"])
def test_fields_that_need_nothing_are_not_named(field):
    assert not _sentences(field, {})
