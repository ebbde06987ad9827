"""What a recognizer says of itself: its training data and terms, how well it recognizes."""

import datetime
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emoasr import __version__
from emoasr.asr.saved import SavedRecognizer
from emoasr.errors import UserError
from emoasr.files import cards
from emoasr.system import output
from emoasr.training import scoring

_SAMPLES = 5  # transcripts a set
_RECOGNIZERS = ("--config.train.init", "--config.train.teacher")  # names, or paths
_OF_THIS_MACHINE = (
    "--workdir", "--overrides", "--flagfile", "--config.corpus.path", "--config.corpus.data_dir",
)  # fmt: skip


def record(
    settings: dict[str, Any],
    init: SavedRecognizer | None,
    teacher: SavedRecognizer | None,
    counts: dict[str, Any],
    recognized: Mapping[str, pd.DataFrame],
) -> dict[str, Any]:
    """What goes into `recognizer.json`, without any path of the machine that trained.

    Args:
        settings: the run's configuration.
        init: the recognizer that training started from, if any.
        teacher: the recognizer whose hidden states it learned besides, if any.
        counts: utterances, hours and speakers of each split.
        recognized: `scoring.transcripts` of the splits that were not trained on.
    """
    apart = ("init", "teacher", "teacher_weight")
    train = {name: value for name, value in settings["train"].items() if name not in apart}
    return {
        "training": {
            **settings["card"],
            "splits": counts,
            "steps": train["steps"],
            "init": _ancestor(init) if init else None,
            "teacher": _teacher(teacher, settings["train"]) if teacher else None,
            "config": {"model": settings["model"], "augment": settings["augment"], "train": train},
            "date": datetime.date.today().isoformat(),
            "command": _command(),
            "emoasr": __version__,
        },
        "metrics": {name: scoring.error_rates(table) for name, table in recognized.items()},
        "samples": scoring.samples(recognized["test"], _SAMPLES) if "test" in recognized else [],
    }


def check(recognizer: SavedRecognizer, name: str) -> None:
    """Refuses a recognizer that does not say what `record` makes it say: it can have no card.

    Args:
        recognizer: of any kind.
        name: what the user calls it.

    Raises:
        UserError: it lacks a field.
    """
    for field in ("training", "metrics", "samples"):
        if field not in recognizer.card:
            raise UserError(
                f"{name}: its recognizer.json has no {field}; give a recognizer of emoasr pretrain"
            )


def write(folder: Path, recognizer: SavedRecognizer) -> None:
    """Writes the model card of a recognizer that `record` described, as `README.md` in its folder.

    Args:
        folder: the recognizer's.
        recognizer: what lies there.
    """
    about = {
        "model": recognizer.config.model,
        "frontend": recognizer.config.frontend,
        "digest": recognizer.digest,
    }
    cards.write(folder, "emoasr.training", about | recognizer.card, number=output.number)


def _ancestor(init: SavedRecognizer) -> dict[str, Any]:
    """What the card says of the recognizer that training started from."""
    training = init.card.get("training", {})
    about = ("name", "data", "terms", "steps", "init")
    return {"digest": init.digest, **{k: training.get(k) for k in about}}


def _teacher(teacher: SavedRecognizer, train: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says of a teacher, which is of any kind."""
    training = teacher.card.get("training", {})
    return {
        "digest": teacher.digest,
        "name": teacher.card.get("name") or training.get("name"),
        "kind": teacher.card.get("architecture", "emoasr"),
        "data": training.get("data"),
        "weight": train["teacher_weight"],
    }


def _command() -> str:
    """The command line of this training, or that there was none."""
    program, *words = sys.argv
    if words[:1] == ["pretrain"]:  # of `emoasr pretrain`
        words = words[1:]
    elif Path(program).parts[-2:] != ("emoasr", "pretrain.py"):
        return "emoasr.pretrain.main(config, workdir)"
    return shlex.join(["python", "-m", "emoasr.pretrain", *map(_without_paths, _joined(words))])


def _joined(words: Sequence[str]) -> list[str]:
    """Flags with their values: `--workdir=DIR` of `--workdir DIR` and `-workdir=DIR`."""
    flags: list[str] = []
    for word in words:
        if word.startswith("-"):
            flags.append(f"--{word.lstrip('-')}")
        elif flags and "=" not in flags[-1]:
            flags[-1] += f"={word}"
        else:
            flags.append(word)
    return flags


def _without_paths(word: str) -> str:
    """A flag, without what it says of this machine."""
    flag, is_set, value = word.partition("=")
    if flag in _RECOGNIZERS and len(Path(value).parts) > 1:
        return f"{flag}=..."
    if flag == "--config" and is_set:
        return f"--config={Path(value).name}"
    return f"{flag}=..." if flag in _OF_THIS_MACHINE else word
