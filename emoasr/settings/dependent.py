"""Fields that have an effect only while another one has a certain value."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import ml_collections

from emoasr.settings.configurations import leaves


class _Needs(NamedTuple):
    """What a field needs: another field, which of its values suffice, and a flag that sets one."""

    field: str
    does: Callable[[Any], bool]
    flag: str


def _number(field: str) -> _Needs:
    """Another number than 0 in a field."""
    return _Needs(field, bool, f"{field}=NUMBER")


_WINDOWS = _Needs("corpus.window", bool, "corpus.window=SECONDS")
_RAY = _Needs("engine", lambda engine: engine == "ray", "engine=ray")
_SELECTION = _number("eval.n_selected")
_CROSSING = _Needs("eval.train_workdir", bool, "eval.train_workdir=DIR")
_LAYERS = _number("finetune.layers")
_INIT = _Needs("train.init", bool, "train.init=FOLDER")
_TEACHER = _Needs("train.teacher", bool, "train.teacher=FOLDER")
_PROCESSES = _Needs("distributed.coordinator", bool, "distributed.coordinator=HOST:PORT")
_BY_NUMBER = _Needs(
    "distributed.coordinator", lambda where: where != "auto", "distributed.coordinator=HOST:PORT"
)

# by field, or by what the fields of a group begin with
_NEEDS = {
    "corpus.hop": (_WINDOWS,),
    "ray.": (_RAY,),
    "eval.selection.": (_SELECTION,),
    "eval.train_scale": (_CROSSING,),
    "augment.min_band": (_number("augment.band_limit"),),
    "augment.mel_mask": (_number("augment.mel_masks"),),
    "augment.time_mask": (_number("augment.time_masks"),),
    "augment.reverb_seconds": (_number("augment.reverb"),),
    "augment.snr_low": (_number("augment.add_noise"),),
    "augment.snr_high": (_number("augment.add_noise"),),
    "finetune.norms": (_LAYERS,),
    "finetune.rate_below": (_LAYERS,),
    "train.init_weight": (_INIT,),
    "train.teacher_weight": (_TEACHER,),
    "distributed.n_processes": (_PROCESSES, _BY_NUMBER),
    "distributed.process_id": (_PROCESSES, _BY_NUMBER),
    "distributed.timeout": (_PROCESSES,),
}


def without_effect(config: ml_collections.ConfigDict, names: Iterable[str]) -> Iterator[str]:
    """Says of each field that was set, but has no effect, what it needs.

    Args:
        config: with the fields that were set.
        names: of those, such as `ray.actors`.

    Yields:
        Sentences, such as "--config.ray.actors has an effect only with --config.engine=ray".
    """
    values = leaves(config)
    for name in names:
        for begin, needs in _NEEDS.items():
            if name == begin or (begin.endswith(".") and name.startswith(begin)):
                lacking = [need.flag for need in needs if not need.does(values.get(need.field))]
                if lacking:
                    yield f"--config.{name} has an effect only with --config.{lacking[0]}"
