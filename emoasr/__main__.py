"""emoasr: a speech recognizer's hidden units as features for emotion research.

    emoasr COMMAND --help
    emoasr COMMAND --config=NAME --config.FIELD=VALUE --workdir=DIR

`python -m emoasr COMMAND` and `python -m emoasr.COMMAND` are the same.
"""

import importlib
import sys
from collections.abc import Sequence

from emoasr.errors import UserError, did_you_mean
from emoasr.system import interrupts

COMMANDS = ("extract", "eval", "finetune", "predict", "pretrain", "transcribe")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names.

    Args:
        arguments: without the program's name; None: those of this process.

    Returns:
        The exit status.
    """
    interrupts.prepare()  # before other imports, which take time
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name in COMMANDS:
        return importlib.import_module(f"emoasr.{name}").command(rest)
    from emoasr import cli

    return cli.enter(_list, [name, *rest])


def _list(arguments: list[str]) -> int:
    if arguments[0] not in ("", "--help", "-h"):
        meant = did_you_mean(arguments[0], COMMANDS)
        raise UserError(
            f"{arguments[0]!r}: no such command; there are: {', '.join(COMMANDS)}{meant}"
        )
    print(f"{__doc__}\nCommands:")
    for name in COMMANDS:
        what = importlib.import_module(f"emoasr.{name}").__doc__ or ""
        print(f"  {name:12} {what.splitlines()[0]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
