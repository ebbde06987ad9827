"""`predictor.json`, checked."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from emoasr.errors import UserError, quoted
from emoasr.files import untrusted
from emoasr.settings import bounds, values
from emoasr.settings.choices import ATTENTION, POOLINGS, TAPS, check_choice
from emoasr.system.output import counted

FORMAT = 1
MOST_BYTES = 1 << 22

_MOST_TARGETS = 100
_MOST_CLASSES = 1000  # of all targets together
_LONGEST_NAME = 200  # characters
_COLUMNS = ("beyond", "fitted", "time", "input", "file", "start", "end")  # of all predictions


@dataclasses.dataclass(frozen=True)
class Features:
    """What a predictor predicts from.

    Attributes:
        recognizer: its digest.
        tap: one of `TAPS`.
        pooling: one of `POOLINGS`, or `ATTENTION`, whose weights are the predictor's own.
    """

    recognizer: str = ""
    tap: str = "gate"
    pooling: str = "mean"

    @property
    def statistic(self) -> str:
        """Of each unit over time, for a reader."""
        return "attention-weighted mean" if self.pooling == ATTENTION else self.pooling


@dataclasses.dataclass(frozen=True)
class Record:
    """What `predictor.json` says.

    Attributes:
        features: what it predicts from.
        targets: names of ratings and of targets of classes.
        classes: of each target, the names of its classes; of a rating, none.
        scale: lowest and highest rating; empty: predictions are not clipped.
        most_beyond: see `model.Fitted`.
        speakers: names of those that it was fitted on, as in their corpus.
        card: all else: corpus, terms, limits, metrics, versions.
    """

    features: Features
    targets: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
    scale: tuple[float, ...]
    most_beyond: float
    speakers: tuple[str, ...]
    card: dict[str, Any]

    def said(self, name: str) -> str:
        """A text of the card's `fitted`; empty: it is not there, or no text."""
        fitted = self.card.get("fitted")
        text = fitted.get(name) if isinstance(fitted, dict) else None
        return text if isinstance(text, str) else ""

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        fields = dataclasses.asdict(self)
        card = fields.pop("card")
        return {"format": FORMAT, **fields, **card}


_EXAMPLE = Record(Features(), ("",), (("",),), (0.0,), 0.0, ("",), {})


def read(path: untrusted.Source) -> Record:
    """Reads `predictor.json`.

    Raises:
        UserError: what `untrusted.read_json` refuses; or a field is missing, of another type, or
            out of bounds.
    """
    given = untrusted.read_json(path, MOST_BYTES)
    if given.get("format") != FORMAT:
        raise UserError(
            f"{path}: format is {quoted(given.get('format'))}; this version of emoasr reads "
            f"{FORMAT}"
        )
    names = [field.name for field in dataclasses.fields(Record)][1:-1]
    fields = {
        name: values.like(getattr(_EXAMPLE, name), _field(path, given, name), f"{path}: {name}")
        for name in names
    }
    features = _features(path, _field(path, given, "features"))
    card = {name: value for name, value in given.items() if name not in _EXAMPLE.to_json()}
    record = Record(features, **fields, card=card)
    check(path, record)
    return record


def _field(path: untrusted.Source, given: dict[str, Any], name: str) -> Any:
    if name not in given:
        raise UserError(f"{path}: lacks the field {name!r}; is it the record of a predictor?")
    return given[name]


def _features(path: untrusted.Source, given: Any) -> Features:
    known = dataclasses.asdict(Features())
    if not isinstance(given, dict) or given.keys() != known.keys():
        raise UserError(f"{path}: features is {quoted(given)}; must have {', '.join(known)}")
    fields = {
        name: values.like(default, given[name], f"{path}: features.{name}")
        for name, default in known.items()
    }
    check_choice(f"{path}: features.tap", fields["tap"], TAPS)
    check_choice(f"{path}: features.pooling", fields["pooling"], (*POOLINGS, ATTENTION))
    return Features(**fields)


def names_problem(targets: Sequence[str], classes: Sequence[Sequence[str]]) -> str:
    """Why a predictor cannot have these targets and classes; empty where it can.

    Args:
        targets: see `Record`.
        classes: see `Record`.
    """
    names = [*targets, *(name for of_target in classes for name in of_target)]
    columns = [*_COLUMNS, *targets]
    for target, of_target in zip(targets, classes, strict=False):
        columns += [f"{target}_{end}" for end in of_target or ("low", "high")]
    twice = [name for name, n in Counter(columns).items() if n > 1]
    for right, what in (
        (
            0 < len(targets) <= _MOST_TARGETS,
            f"{len(targets)} targets; must be 1 to {_MOST_TARGETS}",
        ),
        (
            all(0 < len(name) <= _LONGEST_NAME for name in names),
            "a target or class without a name, or with one of more than "
            f"{_LONGEST_NAME} characters",
        ),
        (
            len(classes) == len(targets) and all(len(of_target) != 1 for of_target in classes),
            f"classes is {quoted(classes)}; must be a list for each of "
            f"{counted(len(targets), 'target')}, empty for a rating, else of two or more classes",
        ),
        (
            len(names) - len(targets) <= _MOST_CLASSES,
            f"{len(names) - len(targets)} classes; at most {_MOST_CLASSES} are read",
        ),
        (
            not twice,
            f"targets are {quoted(targets)}: predictions would have two columns of one name, "
            f"{quoted(twice[0] if twice else '')}",
        ),
    ):
        if not right:
            return what
    return ""


def check(path: untrusted.Source, record: Record) -> None:
    """Raises a UserError where a record, which is at a path or will be, is out of bounds."""
    bounds.check_number(f"{path}: scale", record.scale, "eval.scale")
    scale = record.scale
    for problem in (
        names_problem(record.targets, record.classes),
        f"scale is {quoted(scale)}; must be the lowest and highest rating, or empty"
        * (len(scale) not in (0, 2) or list(scale) != sorted(set(scale))),
        f"most_beyond is {record.most_beyond}; must be a share, 0 to 1"
        * (not 0 <= record.most_beyond <= 1),
    ):
        if problem:
            raise UserError(f"{path}: {problem}")
