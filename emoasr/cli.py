"""What the commands share: flags, help, exit status, and how a user's mistake is reported.

Each call defines its own flags, so that commands can run many times in one process.
"""

import ast
import dataclasses
import functools
import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags, logging

import emoasr
from emoasr.errors import UserError, did_you_mean
from emoasr.files import places
from emoasr.files.writing import workdir_of
from emoasr.settings import configurations, dependent, fields
from emoasr.system import interrupts, limits, output

_WIDTH = 100

Run = Callable[..., None]  # see `Command`


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that takes a configuration and a workdir, or files in their place.

    Attributes:
        name: of the command.
        doc: its help text, to which the flags are added.
        run: the function that does the work; it takes the configuration, the workdir, and whether
            another run's finished work may be replaced.
        base: the defaults that its configurations start from.
        uses: fields and groups that it reads; empty: all. The help shows these, and others that a
            user sets are named in a warning.
        keeps: whether it stores the other fields too, for later commands in its folder.
        default_config: the configuration without `--config`; None: the one that `emoasr.extract`
            stored in the workdir.
        lock_name: the name of its lock, where several processes share one workdir; see `run_lock`.
        instead: functions that run instead of `run`, each where the flag of its name is given.
        options: defines further flags; the functions that run take their values by name.
        on_files: what to do with files, instead of `run`, where neither a configuration nor a
            workdir is given; it takes them, whether files may be replaced, and the values of
            `options`.
    """

    name: str
    doc: str
    run: Run
    base: configurations.Base
    uses: tuple[str, ...] = ()
    keeps: bool = False
    default_config: str | None = None
    lock_name: Callable[[ml_collections.ConfigDict], str] = lambda _: ""
    instead: Mapping[str, Run] = dataclasses.field(default_factory=dict)
    options: Callable[[flags.FlagValues], None] = lambda _: None
    on_files: Callable[..., None] | None = None

    def reads(self, field: str) -> bool:
        """Whether a field, such as `eval.scale`, is one that it uses."""
        return not self.uses or any(f"{field}.".startswith(f"{name}.") for name in self.uses)


def run(command: Command, arguments: Sequence[str] | None = None) -> int:
    """Parses a command's flags and runs it.

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
    """Runs a command's action: signals, output, `--version`, and errors as one line.

    Args:
        action: takes the arguments and returns the exit status.
        arguments: without the program's name; None: those of this process.
        goes_on: whether the work continues when its output is no longer read (`| head -1`).

    Returns:
        0, or 1 for a `UserError`, which is printed on stderr.

    Raises:
        KeyboardInterrupt: a signal came; where nothing catches it, the process ends with one line
            and status 130, see `interrupts`.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.set_verbosity(logging.FATAL)  # TFDS and Orbax log each step, and errors twice
    status = 0
    with interrupts.handled(), output.any_reader(goes_on):
        try:
            if {"--version", "-version"} & set(arguments):
                print(f"emoasr {emoasr.__version__}")
            else:
                with limits.errors_in_one_line():
                    status = action(arguments)
            print(end="", flush=True)  # a failure to write must show here, where it is caught
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
        The arguments that are not flags.

    Raises:
        UserError: a flag is unknown, or its value is not allowed.
    """
    try:
        rest = values(["emoasr", *arguments], known_only=known_only)[1:]
    except flags.UnrecognizedFlagError as error:
        meant = did_you_mean(f"--{error.flagname}", [f"--{name}" for name in values])
        raise UserError(f"--{error.flagname}: no such flag{meant or '; see --help'}") from None
    except (flags.Error, ValueError) as error:
        raise UserError(f"{str(error).replace('flag --', '--', 1)} (see --help)") from None
    for name in values:
        number = values[name].value
        if isinstance(number, float) and not math.isfinite(number):  # no lower bound refuses NaN
            raise UserError(f"--{name}={number}: must be a finite number (see --help)")
    return rest


def describe(values: flags.FlagValues) -> str:
    """Help on flags, for the terminal."""
    own = {id(values[name]): values[name] for name in values}.values()
    rows = [(_as_flag(flag.name, flag.default), flag.help) for flag in own]
    return "\n".join(f"  {left}\n{_indented(right)}" for left, right in rows)


def _run(command: Command, arguments: list[str]) -> int:
    values, options = _flags(command)
    rest = parse(values, arguments, known_only=True)
    output.set_verbose(values.verbose)
    if values.help:
        print(_help(command, values))
        return 0
    if command.on_files and values.config is None and values.workdir is None:
        files = parse(values, arguments)
        _check_no_run(command, values)
        command.on_files(files, values.overwrite, **_values(values, options))
        return 0
    source, config = _configuration(command, values)
    fields.define(
        values, configurations.leaves(config) if config else fields.every(command.base), rest
    )
    if unexpected := parse(values, arguments):
        raise UserError(f"unexpected argument {unexpected[0]!r}; flags begin with -- (see --help)")
    if source is None or config is None:
        names = ", ".join(configurations.shipped(command.base))
        raise UserError(
            f"give --config=NAME, or the --workdir of an extraction; configurations: {names}"
        )
    given = fields.given(values)
    before = configurations.leaves(config)
    if values.overrides:
        from emoasr.settings import overrides

        overrides.apply(config, places.local(values.overrides), given)
    config.update_from_flattened_dict(given)
    config.lock()
    now = configurations.leaves(config)
    changed = [name for name, value in now.items() if value != before.get(name)]
    used = _used(command, dict.fromkeys([*given, *changed]))
    changed = [name for name in used if name in changed]
    for sentence in dependent.without_effect(config, changed):
        print(f"warning: {sentence}; see --help", file=sys.stderr)
    chosen = next((f for name, f in command.instead.items() if values[name].value), command.run)
    workdir = _workdir(values.workdir, source)
    chosen = functools.partial(chosen, **_values(values, options))
    return _work(chosen, config, workdir, values.overwrite, command.lock_name)


def _used(command: Command, given: Iterable[str]) -> list[str]:
    """The fields that a command uses, of those that a user has set; warns of the others.

    They are no mistake: some give `extract` and `eval` the same flags, or `--overrides`.
    """
    used = [name for name in given if command.keeps or command.reads(name)]
    unused = [f"--config.{name}" for name in given if name not in used]
    if unused:
        what = ", ".join(unused)
        print(f"warning: emoasr {command.name} does not use {what}; see --help", file=sys.stderr)
    return used


def _check_no_run(command: Command, values: flags.FlagValues) -> None:
    """Raises a UserError if a flag is given that works only with --config and --workdir."""
    for name in ("overrides", *command.instead):
        if values[name].present:
            raise UserError(
                f"--{name}: works only on a corpus; leave it out, or give --config and --workdir "
                "in place of files"
            )


def _values(values: flags.FlagValues, names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name].value for name in names}


def _flags(command: Command) -> tuple[flags.FlagValues, set[str]]:
    """The flags that are not fields of the configuration; and which are the command's own."""
    values = new_flags()
    flags.DEFINE_string(
        "config", command.default_config, "Configuration: a name from the list above, or a file; "
        "--config.FIELD=VALUE changes a field of it.", values,
    )  # fmt: skip
    flags.DEFINE_string(
        "workdir", None, "Folder for all output; give the same one again to continue a run. "
        "Default: runs/NAME-OF-THE-CONFIG.", values,
    )  # fmt: skip
    flags.DEFINE_string(
        "overrides", None, "JSON file with fields of the configuration, such as "
        '{"eval": {"n_selected": 0}}; unlike a configuration file, it cannot run any program. '
        "--config.FIELD overrides it.", values,
    )  # fmt: skip
    flags.DEFINE_bool(
        "overwrite", False, "Replace what is finished in the workdir and was made from another "
        "corpus or with other settings; without it the command stops before it computes.", values,
    )  # fmt: skip
    flags.DEFINE_bool(
        "verbose", False, "Print also what was compiled and how much was padded.", values
    )
    for name, other in command.instead.items():
        flags.DEFINE_bool(name, False, (other.__doc__ or "").split("\n")[0], values)
    common = set(values)
    command.options(values)
    return values, set(values) - common


def _configuration(
    command: Command, values: flags.FlagValues
) -> tuple[Path | None, ml_collections.ConfigDict | None]:
    """The configuration's file and content; both None where none is given."""
    for name in ("config", "workdir", "overrides"):
        if (text := values[name].value) is not None and (not text or text.startswith("--")):
            raise UserError(f"--{name}: a value is missing (see --help)")
    if values.config is not None:
        return _file(command, values.config)
    if values.workdir is None:
        return None, None
    workdir = _workdir(values.workdir, Path())
    return workdir, configurations.stored(workdir, command.base)


def _file(command: Command, text: str) -> tuple[Path, ml_collections.ConfigDict]:
    """The file that `--config` names, and its configuration."""
    path = configurations.find(text, command.base)
    config = configurations.load(path)
    fields.check(config, f"--config={path}", command.base)
    return path, config


def _workdir(given: str | None, source: Path) -> Path:
    return workdir_of(given) if given else Path("runs") / source.stem


def _work(
    run: Run,
    config: ml_collections.ConfigDict,
    workdir: Path,
    overwrite: bool,
    lock_name: Callable[[ml_collections.ConfigDict], str],
) -> int:
    from emoasr.files.run_lock import run_lock  # slow to import, and no help text needs it

    # `handled` here too, not only in `enter`: after a signal, an error that it caused within a
    # library is not reported
    with interrupts.handled(), run_lock(workdir, lock_name(config)):
        run(config, workdir, overwrite)
    return 0


# Help


def _help(command: Command, values: flags.FlagValues) -> str:
    config, head = None, "Defaults; a configuration may set others, see --config=NAME --help."
    if values["config"].present:
        path, config = _file(command, values.config)
        head = f"Values of {path.stem}."
    shipped = configurations.shipped(command.base).items()
    lines = [command.doc, "Configurations:"]
    lines += [f"  {name:18} {_first_line(path)}" for name, path in shipped]
    lines += ["", "Flags:", describe(values), "", f"Fields of the configuration. {head}"]
    for name, (value, note) in fields.explained(command.base, config).items():
        if command.reads(name):
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
