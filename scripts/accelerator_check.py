r"""Is everything right, and how fast is it, on an accelerator? One command, within six minutes.

On a CPU, once: what it computes of 60 files, kept with the speech in one file:

    python scripts/accelerator_check.py --audio=DIR --save=speech.npz

On the machine with the accelerator:

    python scripts/accelerator_check.py --reference=speech.npz --out=FOLDER

A bare machine with Python 3.12, JAX and perhaps PyTorch on it, and no network, takes the rest as
wheels, 92 of 217 MB. Make them here, with Python 3.12 on a machine of the same kind, carry the
folder there with the checkout, and put both on Python's path. Of packages that the lock has in two
versions the older is for any JAX from 0.10 on; strike what the machine has from `needed.txt`:

    grep -E '^[a-z]' requirements.lock | cut -d' ' -f1 |
        awk -F== '$1 !~ /^jax/ && !seen[$1]++' >needed.txt
    python3.12 -m pip wheel --no-deps -w wheels -r needed.txt
    python -m pip install --no-index --no-deps --target=site wheels/*.whl     # there
    PYTHONPATH=site:. python scripts/accelerator_check.py --reference=speech.npz --out=FOLDER

FOLDER receives `accelerator.json` and the same as tables, `accelerator.md`. A section that fails
says why, one that finds its time used up is cut short and says so; the others go on. Without
--reference the speech is synthetic, and this device's own float32 is what it is compared with.
--small tries everything on a CPU in tiny sizes: its times mean nothing.
"""

import dataclasses
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import accelerator_commands
import accelerator_convolutions
import accelerator_ctc
import accelerator_features
import accelerator_speed
from absl import app, flags, logging
from accelerator_setup import SMALL, Setup, Sizes, saved_reference, setup_of

from emoasr.files.writing import write_atomically

_AUDIO = flags.DEFINE_string("audio", None, "Folder of speech, for --save.")
_SAVE = flags.DEFINE_string("save", None, "File to write: speech, and this device's features.")
_REFERENCE = flags.DEFINE_string("reference", None, "A file that --save wrote on a CPU.")
_RECOGNIZER = flags.DEFINE_string("recognizer", "", "Its folder; empty: the shipped one.")
_BUDGET = flags.DEFINE_float("seconds", 340, "Time for all sections together.", 1)
_HOURS = flags.DEFINE_float("hours", Sizes.hours, "Hours of audio that are extracted.", 0.001)
_SMALL = flags.DEFINE_bool("small", False, "Tiny sizes.")
_OUT = flags.DEFINE_string("out", ".", "Folder for accelerator.json and accelerator.md.")

Row = dict[str, Any]
SECTIONS: dict[str, Callable[[Setup], Iterator[Row]]] = {
    "device": accelerator_features.device,
    "features beside a CPU's": accelerator_features.beside_reference,
    "invariance": accelerator_features.invariance,
    "speed": accelerator_speed.jax_rows,
    "PyTorch": accelerator_speed.torch_rows,
    "extract": accelerator_commands.extractions,
    "pretrain": accelerator_commands.pretraining,
    "dilated convolutions": accelerator_convolutions.rows,
    "CTC loss": accelerator_ctc.rows,
}


def check(setup: Setup, seconds: float = math.inf) -> dict[str, Any]:
    """Goes through all sections.

    Args:
        setup: see there.
        seconds: for all of them; the one that uses them up is cut short, those after it left out.

    Returns:
        By section its `rows`, `seconds`, and `note`: why rows are missing; empty: none are.
    """
    end = time.monotonic() + seconds
    found = {}
    for name, section in SECTIONS.items():
        print(f"{name} ...", flush=True)
        found[name] = _section(section, setup, end)
        print(f"  {len(found[name]['rows'])} rows in {found[name]['seconds']} s"
              f"  {found[name]['note']}", flush=True)  # fmt: skip
    return found


def _section(section: Callable[[Setup], Iterable[Row]], setup: Setup, end: float) -> Row:
    start, rows, note = time.monotonic(), [], ""
    if start > end:
        return {"rows": rows, "seconds": 0.0, "note": "left out: no time was left"}
    try:
        for row in section(setup):
            rows.append(row)
            print("  ", row, flush=True)
            if time.monotonic() > end:
                note = "cut short: no time was left"
                break
    except (Exception, SystemExit) as error:  # noqa: BLE001  the other sections go on
        note = f"failed: {type(error).__name__}: {str(error)[:500]}"
    return {"rows": rows, "seconds": round(time.monotonic() - start, 1), "note": note}


def markdown(found: dict[str, Any]) -> str:
    """The sections as tables."""
    parts = ["# Accelerator check\n"]
    for name, section in found.items():
        parts.append(f"## {name} ({section['seconds']} s)\n")
        if section["note"]:
            parts.append(f"{section['note']}\n")
        columns = list(dict.fromkeys(column for row in section["rows"] for column in row))
        if columns:
            lines = [columns, ["---"] * len(columns)]
            lines += [[_cell(row.get(column)) for column in columns] for row in section["rows"]]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join(parts)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(one)}" for name, one in value.items())
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    return text.replace("|", "/").replace("\n", " ")


def main(argv: list[str]) -> None:
    """Saves a reference, or checks and writes what came."""
    if len(argv) != 1 or (_SAVE.value and not _AUDIO.value):
        raise app.UsageError("give --audio=DIR --save=FILE, or --reference=FILE --out=FOLDER")
    logging.set_verbosity(logging.WARNING)  # of checkpoints
    if _SAVE.value:
        print(saved_reference(Path(_AUDIO.value), Path(_SAVE.value), _RECOGNIZER.value))
        return
    sizes = SMALL if _SMALL.value else dataclasses.replace(Sizes(), hours=_HOURS.value)
    reference = Path(_REFERENCE.value) if _REFERENCE.value else None
    with tempfile.TemporaryDirectory() as temporary:
        setup = setup_of(Path(temporary), sizes, reference, _RECOGNIZER.value)
        found = check(setup, _BUDGET.value)
    out = Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "accelerator.json", json.dumps(found, indent=1) + "\n")
    write_atomically(out / "accelerator.md", markdown(found))
    print(markdown(found))


if __name__ == "__main__":
    app.run(main)
