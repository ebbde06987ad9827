"""What the commands share: their flags, and how a user's mistake is told.

Each call has flags of its own, so that commands can be run again and again in one process.
"""

import ast
import dataclasses
import json
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags, logging

import emoasr
from emoasr.errors import UserError, did_you_mean
from emoasr.files.places import local
from emoasr.settings import fields
from emoasr.system import interrupts, output

_WIDTH = 100

Run = Callable[[ml_collections.ConfigDict, Path], None]


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that a configuration and a workdir say all to.

    Attributes:
        name: of the command.
        doc: its help; the flags are added.
        run: what it does.
        base: what its configurations start from.
        uses: fields and groups that it reads, for the help; empty: all.
        default_config: the configuration without `--config`; None takes the one that
            `emoasr.extract` stored in the workdir.
        seat: which of several processes that work in one workdir together this is, see
            `guard.alone`.
        instead: what else it does with the same configuration, each by a flag of its name.
    """

    name: str
    doc: str
    run: Run
    base: fields.Base
    uses: tuple[str, ...] = ()
    default_config: str | None = None
    seat: Callable[[ml_collections.ConfigDict], str] = lambda _: ""
    instead: Mapping[str, Run] = dataclasses.field(default_factory=dict)


def run(command: Command, arguments: Sequence[str] | None = None) -> int:
    """Runs a command in the workdir that its flags name.

    Args:
        command: what to run.
        arguments: without the program's name; None: those of this process.

    Returns:
        The exit status, see `enter`.
    """
    return enter(lambda own: _run(command, own), arguments, goes_on=True)


def enter(
    action: Callable[[list[str]], int],
    arguments: Sequence[str] | None = None,
    goes_on: bool = False,
) -> int:
    """The door of every command: what leaves it is an exit status, and a line if it is not 0.

    Args:
        action: takes the arguments and returns the exit status.
        arguments: without the program's name; None: those of this process.
        goes_on: whether it does when nobody reads its output any more (`| head -1`).

    Returns:
        0; 1 for a `UserError`, told on stderr.

    Raises:
        KeyboardInterrupt: a signal came; a process that nobody catches it in ends with status 130
            and a line, see `interrupts`.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.set_verbosity(logging.FATAL)  # TFDS and Orbax tell each step, and errors twice
    status = 0
    with interrupts.handled(), output.any_reader(goes_on):
        try:
            if {"--version", "-version"} & set(arguments):
                print(f"emoasr {emoasr.__version__}")
            else:
                status = action(arguments)
            print(end="", flush=True)  # here it can be told that it fails
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 1
    return status


def new_flags() -> flags.FlagValues:
    """Flags that every command has."""
    values = flags.FlagValues()
    values.set_gnu_getopt()  # flags may follow files
    flags.DEFINE_bool("help", False, "This text.", short_name="h", flag_values=values)
    flags.DEFINE_bool("version", False, "The version of emoasr.", flag_values=values)
    return values


def parse(values: flags.FlagValues, arguments: list[str], known_only: bool = False) -> list[str]:
    """Parses flags.

    Returns:
        The arguments that are none.

    Raises:
        UserError: a flag is unknown, or its value cannot be.
    """
    try:
        return values(["emoasr", *arguments], known_only=known_only)[1:]
    except flags.UnrecognizedFlagError as error:
        meant = did_you_mean(f"--{error.flagname}", [f"--{name}" for name in values])
        raise UserError(f"--{error.flagname}: no such flag{meant or '; see --help'}") from None
    except (flags.Error, ValueError) as error:
        raise UserError(f"{str(error).replace('flag --', '--', 1)} (see --help)") from None


def describe(values: flags.FlagValues) -> str:
    """Lines that say what flags are for."""
    own = {id(values[name]): values[name] for name in values}.values()
    rows = [(_as_flag(flag.name, flag.default), flag.help) for flag in own]
    return "\n".join(f"  {left}\n{_indented(right)}" for left, right in rows)


def _run(command: Command, arguments: list[str]) -> int:
    values = _flags(command)
    rest = parse(values, arguments, known_only=True)
    if values.help:
        print(_help(command, values))
        return 0
    source, config = _configuration(command, values)
    fields.define(values, fields.leaves(config) if config else fields.every(command.base), rest)
    if unexpected := parse(values, arguments):
        raise UserError(f"unexpected argument {unexpected[0]!r}; flags begin with -- (see --help)")
    if source is None or config is None:
        known = ", ".join(fields.shipped(command.base))
        raise UserError(f"give --config, or the --workdir of an extraction; there are: {known}")
    given = fields.given(values)
    if values.overrides:
        from emoasr.settings import overrides

        overrides.apply(config, local(values.overrides), given)
    config.update_from_flattened_dict(given)
    config.lock()
    chosen = next((f for name, f in command.instead.items() if values[name].value), command.run)
    return _work(chosen, config, _workdir(values.workdir, source), command.seat)


def _flags(command: Command) -> flags.FlagValues:
    """Those that are not fields of the configuration."""
    values = new_flags()
    flags.DEFINE_string(
        "config", command.default_config, "Configuration: a name from the list above, or a file; "
        "--config.FIELD=VALUE changes a field of it.", values,
    )  # fmt: skip
    flags.DEFINE_string(
        "workdir", None, "Folder of all output; the same one continues a run. "
        "Default: runs/NAME-OF-THE-CONFIG.", values,
    )  # fmt: skip
    flags.DEFINE_string(
        "overrides", None, "JSON file of the configuration's fields, as data (a configuration is a "
        'program): {"eval": {"n_selected": 0}}. --config.FIELD overrides it.', values,
    )  # fmt: skip
    for name, other in command.instead.items():
        flags.DEFINE_bool(name, False, (other.__doc__ or "").split("\n")[0], values)
    return values


def _configuration(
    command: Command, values: flags.FlagValues
) -> tuple[Path | None, ml_collections.ConfigDict | None]:
    """The configuration's file and content; neither where none is given."""
    for name in ("config", "workdir", "overrides"):
        if (text := values[name].value) is not None and (not text or text.startswith("--")):
            raise UserError(f"--{name}: a value is missing (see --help)")
    if values.config is not None:
        path = _file(values.config, fields.shipped(command.base))
        config = fields.load(path)
        fields.check(config, path, command.base)
        return path, config
    if values.workdir is None:
        return None, None
    workdir = _workdir(values.workdir, Path())
    return workdir, _stored(command, workdir)


def _file(text: str, shipped: Mapping[str, Path]) -> Path:
    """The file of a configuration, given as a path, a name, or a path within the project."""
    path = local(text)
    if path.is_file():
        return path
    everyones = {p.stem: p for own in shipped.values() for p in own.parent.glob("*.py")}
    if path.parent in (Path("configs"), Path()) and path.name.removesuffix(".py") in everyones:
        return everyones[path.name.removesuffix(".py")]
    raise UserError(
        f"--config={text}: no such file, and no configuration of that name"
        f"; there are: {', '.join(shipped)}{did_you_mean(text, shipped)}"
    )


def _stored(command: Command, workdir: Path) -> ml_collections.ConfigDict:
    """Of the whole extraction; else of one of its shards, as if it were of all."""
    shards = sorted(workdir.glob("shards/*/extract.json"))
    try:
        path = next(p for p in (workdir / "extract.json", *shards) if p.exists())
        stored = _tuples(json.loads(path.read_text(encoding="utf-8"))["config"]) | {"shard": ""}
        config = command.base(stored["corpus"]["kind"])  # what older runs do not say is as now
        config.update(stored)
        return config
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        raise UserError(
            f"no --config, and {workdir}/extract.json holds none; "
            f"run python -m emoasr.extract --workdir={workdir} first, or give --config"
        ) from None


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    if isinstance(value, dict):
        return {key: _tuples(v) for key, v in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _workdir(given: str | None, source: Path) -> Path:
    if given and "://" in given:
        raise UserError(
            f"--workdir={given}: must be on a disk, of this machine or mounted; only what is read "
            "can be in a store"
        )
    return local(given) if given else Path("runs") / source.stem


def _work(
    run: Run,
    config: ml_collections.ConfigDict,
    workdir: Path,
    seat: Callable[[ml_collections.ConfigDict], str],
) -> int:
    from emoasr.files import guard

    # before the error is told: of what an interrupt does within libraries, nothing is
    with interrupts.handled(), guard.told_in_a_line(), guard.alone(workdir, seat(config)):
        run(config, workdir)
    return 0


# Help


def _help(command: Command, values: flags.FlagValues) -> str:
    shipped = fields.shipped(command.base)
    config, head = None, "Defaults; a configuration may have others, see --config=NAME --help."
    if values["config"].present:
        path = _file(values.config, shipped)
        config, head = fields.load(path), f"As {path.stem} has them."
        fields.check(config, path, command.base)
    lines = [command.doc, "Configurations:"]
    lines += [f"  {name:18} {_first_line(path)}" for name, path in shipped.items()]
    lines += ["", "Flags:", describe(values), "", f"Fields of the configuration. {head}"]
    for name, (value, note) in fields.explained(command.base, config).items():
        if not command.uses or name.split(".")[0] in command.uses:
            lines += [f"  --config.{name}={value}", _indented(note)]
    return "\n".join(lines)


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]


def _as_flag(name: str, default: Any) -> str:
    if isinstance(default, bool):
        return f"--{name}"
    return f"--{name}=" if default is None else f"--{name}={fields.shown(default)}"


def _indented(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
