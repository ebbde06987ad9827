"""What a finished run left in a folder is not replaced by another run unless the user asks."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emoasr.errors import UserError
from emoasr.files import places
from emoasr.system import interrupts

_NAMED = 3  # differences in a message


def check_same_run(
    folder: Path,
    made_from: str,
    finished: Mapping[str, Any],
    asked: Mapping[str, Any],
    overwrite: bool = False,
    elsewhere: str = "--workdir",
) -> bool:
    """Refuses to replace a finished run by one from another corpus or with other settings.

    Args:
        folder: that holds the finished run.
        made_from: what it was made from, in words.
        finished: what its results depend on, under names that the user knows.
        asked: the same of the run that would take its place.
        overwrite: whether the user asked for it; then nothing is refused.
        elsewhere: the flag with which both runs have room.

    Returns:
        Whether a value differs; one that only one of them has counts as different.

    Raises:
        UserError: one does, and the user did not ask.

    Example:
        >>> settings = {"config.tap": "gate"}
        >>> check_same_run(Path("runs/e"), "emotale", settings, settings)
        False
    """
    differ = [
        f"{name}: there {_shown(finished, name)}, now {_shown(asked, name)}"
        for name in {**finished, **asked}
        if _plain(finished.get(name)) != _plain(asked.get(name))
    ]
    if differ and not overwrite:
        more = f"; and {len(differ) - _NAMED} more" if len(differ) > _NAMED else ""
        raise UserError(
            f"{folder}: holds a run made from {made_from}; what differs: "
            f"{'; '.join(differ[:_NAMED])}{more}; give another {elsewhere}, or --overwrite"
        )
    return bool(differ)


def check_outside(folder: Path, used: Mapping[str, str]) -> None:
    """Refuses to remove a run's folder that holds what the new run is made from.

    Args:
        folder: of the finished run.
        used: what users named, by field: places on disk, URLs, or names of what is shipped.

    Raises:
        UserError: one lies within the folder.
    """
    for field, given in used.items():
        place = places.local(given)
        if given and place.exists() and place.resolve().is_relative_to(folder.resolve()):
            raise UserError(
                f"{field}={given}: lies in {folder}, which --overwrite would remove; give another "
                "--workdir"
            )


def remove_run(folder: Path) -> None:
    """Removes a run's folder: even if the process is killed, no part of it stays under its name.

    What then lies beside it, as `.NAME.removed`, goes with the next removal.
    """
    aside = folder.with_name(f".{folder.name}.removed")
    with interrupts.deferred():
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        shutil.rmtree(aside)


def check_same_evaluation(
    folder: Path, asked: Mapping[str, Any], overwrite: bool, defaults: Mapping[str, Any]
) -> bool:
    """Refuses to replace a finished evaluation by one made from other tables or settings.

    Args:
        folder: of the evaluation.
        asked: what the new one is made from: settings, digests of tables and labels.
        overwrite: whether the user asked for it.
        defaults: of the settings; they stand for settings that did not exist yet when the
            finished evaluation was made.

    Returns:
        Whether it is a new evaluation there: the folder holds no finished one, or another, which
        may be replaced.

    Raises:
        UserError: the folder holds another evaluation.
    """
    path = folder / "results.json"
    try:
        finished = json.loads(path.read_text(encoding="utf-8"))["provenance"]
        corpus, source = str(finished["corpus"]["name"]), dict(finished["made_from"])
    except FileNotFoundError:
        return True
    except (OSError, ValueError, LookupError, TypeError):
        corpus, source = "what cannot be read any more", {}
    source = {name: defaults[name] for name in asked if name in defaults} | source
    return check_same_run(folder, corpus, source, asked, overwrite, elsewhere="--config.eval.name")


def _shown(values: Mapping[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "none"


def _plain(value: Any) -> Any:
    """A value as JSON has it: a stored configuration's tuples are lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return list(map(_plain, value)) if isinstance(value, list | tuple) else value
