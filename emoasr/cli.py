"""What the commands share: their flags, and how a user's mistake is told."""

import argparse
import ast
import json
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_collections
from absl import app, flags, logging
from ml_collections import config_flags

from emoasr import guard, interrupts, overrides
from emoasr.config import experiment
from emoasr.errors import UserError

_PACKAGE = Path(__file__).parent
_CONFIG_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")  # wheel, checkout

Command = Callable[[ml_collections.ConfigDict, Path], None]
Seat = Callable[[ml_collections.ConfigDict], str]


@interrupts.handled()
def run(
    command: Command,
    needs: str,
    default_config: str | None = None,
    seat: Seat = lambda _: "",
    instead: Mapping[str, Command] = types.MappingProxyType({}),
) -> None:
    """Parses `--config` and `--workdir`, runs `command(config, workdir)`, and exits.

    Exit status: 0 on success; 1, with one line on stderr, for a `UserError` or a bad flag; 130
    likewise after Ctrl-C, 143 after SIGTERM (see `interrupts`).

    Args:
        command: what to run.
        needs: a field that tells a configuration for this command from another's.
        default_config: the configuration without `--config`; None takes the one that
            `emoasr.extract` stored in the workdir.
        seat: which of several processes that work in one workdir together this is, see
            `guard.alone`.
        instead: other commands on the same configuration, each by a flag of its name.
    """
    try:
        argv = _resolve_config(sys.argv, default_config)
        config_flag, workdir_flag = _define_flags(argv)
        others = [
            (flags.DEFINE_bool(name, False, (other.__doc__ or "").split("\n")[0]), other)
            for name, other in instead.items()
        ]

        def chosen(_) -> int:
            run = next((other for flag, other in others if flag.value), command)
            config = _fitting(config_flag.value, needs)
            return _guarded(run, config, _workdir(workdir_flag.value, argv), seat)

        app.run(chosen, argv=argv, flags_parser=_parse)
    except UserError as error:
        _fail(error)


def _define_flags(argv: list[str]) -> tuple[flags.FlagHolder, flags.FlagHolder]:
    workdir = flags.DEFINE_string(
        "workdir", None, "Folder of all output; the same one continues a run. "
        "Default: runs/NAME-OF-THE-CONFIG."
    )  # fmt: skip
    flags.DEFINE_string(
        "overrides", None, "JSON file of the configuration's fields, as data (a configuration is a "
        "program): {\"eval\": {\"n_selected\": 0}}. --config.FIELD overrides it."
    )  # fmt: skip
    if _value(argv, "config") is None and _value(argv, "workdir") and not _wants_help(argv):
        stored = _stored_config(Path(str(_value(argv, "workdir"))))
        return config_flags.DEFINE_config_dict("config", stored, lock_config=True), workdir
    config = config_flags.DEFINE_config_file(
        "config", None, "Configuration: a file, or a name such as demo or emotale; "
        "override a field with --config.FIELD=VALUE.", lock_config=True,
    )  # fmt: skip
    return config, workdir


def _stored_config(workdir: Path) -> ml_collections.ConfigDict:
    """Of the whole extraction; else of one of its shards, as if it were of all."""
    shards = sorted(workdir.glob("shards/*/extract.json"))
    try:
        path = next(p for p in (workdir / "extract.json", *shards) if p.exists())
        stored = _tuples(json.loads(path.read_text(encoding="utf-8"))["config"]) | {"shard": ""}
        config = experiment(stored["corpus"]["kind"])  # what older runs do not say is as by default
        config.update(stored)
        return config
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        raise UserError(
            f"no --config, and {workdir}/extract.json holds none; "
            f"run python -m emoasr.extract --workdir={workdir} first, or give --config"
        ) from None


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were; only tuples can be overridden by a flag."""
    if isinstance(value, dict):
        return {key: _tuples(v) for key, v in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _resolve_config(argv: list[str], default: str | None) -> list[str]:
    """Turns a config's name, or its path in the project, into a path from any current folder."""
    given = _value(argv, "config")
    if given is None and default is not None and not _wants_help(argv):
        given = default
        argv = [argv[0], f"--config={given}", *argv[1:]]
    if given is None or Path(given.split(":")[0]).is_file():
        return argv
    stem = Path(given).name.removesuffix(".py")
    for folder in _CONFIG_FOLDERS:
        path = folder / f"{stem}.py"
        if path.is_file() and Path(given).parent in (Path("configs"), Path()):
            # first: its overrides must follow it
            return [argv[0], f"--config={path}", *_take(argv, "config")[1]]
    raise UserError(
        f"--config={given}: no such file, and no configuration of that name; "
        f"there are: {', '.join(_configs())}"
    )


def _configs() -> dict[str, str]:
    """Names of the configurations that come with emoasr, and the first line of each one's note."""
    files = sorted(p for folder in _CONFIG_FOLDERS for p in folder.glob("*.py"))
    notes = {p.stem: ast.get_docstring(ast.parse(p.read_text(encoding="utf-8"))) for p in files}
    return {name: (note or "").split("\n")[0] for name, note in notes.items()}


def _value(argv: list[str], flag: str) -> str | None:
    return _take(argv, flag)[0]


def _take(argv: list[str], flag: str) -> tuple[str | None, list[str]]:
    """A flag's value before absl parses, and the other arguments, the program's name left out."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(f"--{flag}", f"-{flag}", dest="value")
    found, others = parser.parse_known_args(argv[1:])
    return found.value, others


def _wants_help(argv: list[str]) -> bool:
    return bool({"--help", "-h", "--helpfull", "--helpshort"} & set(argv))


def _parse(argv: list[str]) -> list[str]:
    if _wants_help(argv):
        print(sys.modules["__main__"].__doc__)
        print("Configurations:")
        for name, what in _configs().items():
            print(f"  {name:18} {what}")
        print(flags.FLAGS.module_help(sys.modules[__name__]))
        sys.exit(0)
    try:
        rest = flags.FLAGS(argv)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{_one_line(error)} (see --help)") from None
    if rest[1:]:
        raise UserError(f"unexpected argument {rest[1]!r}; options begin with -- (see --help)")
    if flags.FLAGS.config is None:
        raise UserError(f"give --config; there are: {', '.join(_configs())}")
    if flags.FLAGS.overrides:
        given = config_flags.get_override_values(flags.FLAGS["config"])
        overrides.apply(flags.FLAGS.config, Path(flags.FLAGS.overrides), given)
    return rest


def _one_line(error: Exception) -> str:
    what = "no such config field: " if isinstance(error, KeyError | AttributeError) else ""
    text: object = error
    while isinstance(text, Exception) and text.args:  # ml_collections wraps, quoting each time
        text = text.args[0]
    return what + " ".join(str(text).split())


def _fitting(config: ml_collections.ConfigDict, needs: str) -> ml_collections.ConfigDict:
    if needs not in config:
        raise UserError(f"--config is another command's: it has no field {needs!r} (see --help)")
    return config


def _workdir(given: str | None, argv: list[str]) -> Path:
    if given and "://" in given:
        raise UserError(
            f"--workdir={given}: must be on a disk, of this machine or mounted; only what is read "
            "can be in a store"
        )
    return Path(given) if given else Path("runs") / Path(str(_value(argv, "config"))).stem


def _guarded(
    command: Command,
    config: ml_collections.ConfigDict,
    workdir: Path,
    seat: Seat,
) -> int:
    logging.set_verbosity(logging.FATAL)  # TFDS and Orbax tell each step, and errors twice
    # before the error is told: of what an interrupt does within libraries, nothing is
    with interrupts.handled(), guard.told_in_a_line(), guard.alone(workdir, seat(config)):
        command(config, workdir)
    return 0


def _fail(error: UserError) -> None:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(1)
