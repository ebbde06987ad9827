"""Names of evaluations: each leaves its files in a folder of its name, `eval/NAME/` of a run."""

import re
from pathlib import Path

import ml_collections

from emoasr.errors import UserError, quoted
from emoasr.settings.choices import TRAIN, group_folds, test_split

OVERVIEW = "index.html"  # the page of all evaluations, beside their folders

_ALLOWED = re.compile(r"[^\W_][\w+=-]*(\.[\w+=-]+)*")
_LONGEST = 60  # characters; file systems allow 255 bytes
_USUAL_TARGETS = (("arousal", "valence"), ("arousal", "valence", "dominance"))  # of the configs


def of(settings: ml_collections.ConfigDict) -> str:
    """The name of an evaluation: `config.eval.name`, else made of what was asked.

    Names that are made differ for the usual questions, not for all: `finished.check_same_run`
    compares the rest.

    Args:
        settings: `config.eval`.

    Raises:
        UserError: `config.eval.name` cannot be the name of a folder.

    Example:
        >>> from emoasr.config import experiment
        >>> of(experiment("table").eval)
        'linear-100'
    """
    if not settings.name:
        return _made(settings)
    if settings.name.casefold().startswith(OVERVIEW):
        raise UserError(
            f"config.eval.name={quoted(settings.name)}: begins like {OVERVIEW}, the page "
            "of all evaluations; give another name"
        )
    if not _ALLOWED.fullmatch(settings.name) or len(settings.name) > _LONGEST:
        raise UserError(
            f"config.eval.name={quoted(settings.name)}: must be the name of a folder: letters, "
            f"digits, -, _, +, = and single dots inside, at most {_LONGEST} characters"
        )
    return settings.name


def _made(settings: ml_collections.ConfigDict) -> str:
    parts = [settings.regressor, str(settings.n_selected or "all")]
    if tuple(settings.targets) not in _USUAL_TARGETS:
        parts.append(re.sub(r"[^\w+]+", "_", "+".join(settings.targets))[:40])
    if settings.protocol == "leave-one-session-out":
        parts.append("sessions")
    elif n_folds := group_folds(settings.protocol):
        parts.append(f"{n_folds}-fold")
    elif settings.train_workdir:
        source = re.sub(r"\W+", "_", Path(settings.train_workdir).name)[:40]
        parts.append(f"from-{source}" + "-within" * settings.within_corpus)
    elif test := test_split(settings.protocol):
        parts.append(re.sub(r"\W+", "_", test)[:40])
    if settings.within_speaker:
        parts.append("within-speakers")
    if settings.chosen_on != TRAIN:
        parts.append(f"chosen-on-{settings.chosen_on}")
    if settings.partner == "out":
        parts.append("partner-out")
    if settings.selection.scope == "all":
        parts.append("selected-on-all")
    if settings.battery:
        parts.append("ablations")
    return "-".join(parts)
