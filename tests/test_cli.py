"""What a user may get wrong, and what is around a command: a right result or one line."""

import contextlib
import io
import json
import os
import re
import runpy
import string
import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st

import emoasr
from emoasr import config, extract, predict
from emoasr import eval as emoasr_eval
from emoasr.__main__ import COMMANDS, main
from emoasr.errors import UserError, did_you_mean, one_line
from emoasr.evaluation import regression
from emoasr.settings import choices, configurations, fields

EXPERIMENTS = ("audformat", "cremad", "demo", "emodb", "emotale", "folder", "iemocap",
               "iemocap_consistent", "meld", "msp_improv", "msp_podcast", "ravdess",
               "table")  # fmt: skip
OF = {
    **dict.fromkeys(("extract", "eval", "finetune"), EXPERIMENTS),
    "pretrain": ("english", "shipped", "vctk"),
}
HEAVY = ("jax", "flax", "pandas", "librosa", "scipy", "sklearn", "pyarrow", "tensorflow_datasets",
         "audformat", "orbax", "grain", "altair", "vl_convert", "numba", "opensmile")  # fmt: skip


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Runs `emoasr ARGUMENTS` in this process, in an empty folder: status, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(list(arguments))
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def complaint(call):
    """The one line of a call that is a mistake."""

    def run(*arguments: str) -> str:
        status, _, printed = call(*arguments)
        assert status == 1
        assert (
            printed.startswith("error: ") and printed.endswith("\n") and printed[:-1].isprintable()
        )
        return printed

    return run


def used(call, *arguments: str):
    """The configuration that a command would work with, seen in place of its work."""
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emoasr.cli._work", lambda run, c, workdir, *_: seen.append((c, workdir)))
        call(*arguments)
    return seen[0]


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        # commands and their flags
        ("extrct", ["extrct", "did you mean extract?"]),
        ("--verson", ["--verson", "pretrain"]),
        ("extract --config=demo stray", ["'stray'"]),
        ("extract --config=demo --workdr=x", ["--workdr", "--workdir?"]),
        ("extract --workdr=x", ["--workdr", "--workdir?"]),
        ("extract --cnfig=demo", ["--cnfig", "--config?"]),
        ("transcribe --formt=csv a.wav", ["--formt", "--format?"]),
        ("transcribe --format=srt a.wav b.wav", ["--format=srt", "--output"]),
        ("transcribe", ["FILE"]),
        ("transcribe --beam_size=0 a.wav", ["--beam_size=0"]),
        ("transcribe --format=docx a.wav", ["--format", "textgrid"]),
        ("transcribe --beam_size=nan a.wav", ["--beam_size=nan"]),
        ("transcribe --language_weight=nan a.wav", ["--language_weight=nan", "finite number"]),
        ("transcribe --language_weight=inf a.wav", ["--language_weight=inf", "finite number"]),
        ("pretrain --config.augment.noise=nan", ["--config.augment.noise=nan", "finite number"]),
        ("extract --config=demo --config.ray.cpus=1e999", ["--config.ray.cpus=inf", "finite"]),
        ("transcribe --beam_size=x a.wav", ["--beam_size=x"]),
        # configurations
        ("extract", ["--config", "demo", "iemocap_consistent"]),
        ("extract --config", ["--config"]),
        ("extract --config=", ["--config"]),
        ("extract --config --workdir=x", ["--config"]),
        ("extract --config=demo --workdir", ["--workdir"]),
        ("extract --config=demo --workdir --merge", ["--workdir"]),
        ("extract --config=demo --overrides=", ["--overrides"]),
        ("extract --config=nothing.py", ["nothing.py", "demo", "emotale"]),
        ("extract --config=emotle", ["emotle", "did you mean emotale?"]),
        ("extract --config=C:\\x.py", ["C:\\x.py"]),
        ("extract --config=english", ["english", "another command", "demo"]),
        ("pretrain --config=demo", ["demo", "another command", "vctk"]),
        ("eval --workdir=nowhere", ["nowhere", "emoasr.extract"]),
        ("eval --config=demo --workdir=nowhere", ["nowhere/extract.json", "emoasr.extract"]),
        # fields
        ("extract --config.sed=1", ["--config.sed", "--config.seed?"]),
        ("extract --config=folder --config.corpus.pth=x", ["pth", "--config.corpus.path?"]),
        ("extract --config=folder --config.scope=all", ["--config.eval.selection.scope?"]),
        ("eval --config.eval.selection.scop=all", ["--config.eval.selection.scope?"]),
        ("pretrain --config.trian.steps=1", ["--config.train.steps?"]),
        ("pretrain --config.modl.dropout 1", ["--config.model.dropout?"]),
        ("extract --config=folder --config.eval=1", ["--config.eval"]),
        ("extract --config=folder --config.seed=x", ["--config.seed=x", "whole number"]),
        ("extract --config=folder --config.seed=1.5", ["--config.seed=1.5", "whole number"]),
        ("extract --config=folder --config.seed", ["--config.seed"]),
        ("extract --config=folder --config.corpus.path --merge x", ["--config.corpus.path"]),
        ("extract --config=folder --config.ray.cpus=a", ["--config.ray.cpus=a", "a number"]),
        ("extract --config=folder --config.eval.battery=ja", ["--config.eval.battery"]),
        ("extract --config=folder --config.eval.scale=a,b", ["--config.eval.scale", "'a'"]),
        ("extract --config=table --config.eval.scale=a,b", ["--config.eval.scale", "'a'"]),
        ("extract --config=folder --config.eval.scale=((", ["--config.eval.scale"]),
        ("eval --config=folder --config.eval.layers.top=x", ["--config.eval.layers.top", "'x'"]),
        ("extract --config=folder --config.feature_sets=(1,2)", ["feature_sets", "1 must be text"]),
        # values that are no choice, numbers that cannot be
        ("extract --config=folder --config.tap=gates", ["config.tap", "residual"]),
        ("extract --config=folder --config.pooling=sum", ["config.pooling", "max"]),
        ("extract --config=folder --config.engine=spark", ["config.engine", "ray"]),
        ("extract --config=folder --config.batch_frames=-1", ["config.batch_frames=-1"]),
        ("extract --config=folder --config.shard=4/3", ["config.shard=4/3"]),
        ("extract --config=folder --config.feature_sets=neurl", ["'neurl'", "mean neural?"]),
        ("extract --config=folder --config.feature_sets=a.csv,a.csv", ["'a'"]),
        ("eval --config=demo --config.eval.regressor=lasso", ["config.eval.regressor", "ridge"]),
        ("eval --config=demo --config.eval.n_selected=-1", ["config.eval.n_selected=-1"]),
        ("pretrain --config.train.optimizer=sgd", ["config.train.optimizer", "muon"]),
        # places
        ("extract --config=emotale", ["config.corpus.path"]),
        ("pretrain", ["config.corpus.path"]),
        ("extract --config=folder --config.corpus.path=no", ["config.corpus.path=no"]),
        ("extract --config=folder --config.corpus.path=~/no", ["home/no"]),
        ("extract --config=folder --config.corpus.path=. --config.recognizer=no", ["no is not"]),
        ("extract --config=demo --config.recognizer=englsh", ["englsh", "mean english?"]),
        ("pretrain --config.corpus.path=. --config.train.init=no", ["no is not a recognizer"]),
        ("transcribe --recognizer=no a.wav", ["no is not a recognizer"]),
        ("transcribe no.wav", ["no.wav"]),
        ("transcribe --output=s3://b/x a.wav", ["--output=s3://b/x", "must be on a disk"]),
        ("extract --config=demo --workdir=/dev/null/x", ["/dev/null/x", "--workdir"]),
        ("extract --config=demo --workdir=s3://bucket/x", ["--workdir=s3://bucket/x", "on a disk"]),
        ("extract --config=demo --overrides=no.json", ["no.json"]),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_status_1(complaint, arguments, words):
    printed = complaint(*arguments.split(" "))
    for word in words:
        assert word in printed


@pytest.mark.parametrize("name", ["zero\0byte", os.fsdecode(b"Latin-1 \xe9")])
@pytest.mark.parametrize(
    "arguments",
    [
        ("extract", "--config=demo", "--workdir="),
        ("extract", "--workdir="),
        ("extract", "--merge", "--workdir="),
        ("eval", "--workdir="),
        ("finetune", "--workdir="),
        ("predict", "--config=demo", "--workdir="),
        ("pretrain", "--workdir="),
    ],
    ids=" ".join,
)
def test_names_of_run_folders_that_cannot_be_are_told_at_once(complaint, tmp_path, arguments, name):
    why = "no name may have a zero byte" if "\0" in name else "is not UTF-8"
    assert f"--workdir={one_line(name)}: {why}" in complaint(*arguments[:-1], f"--workdir={name}")
    assert not [path for path in tmp_path.rglob("*") if "byte" in path.name or "Lat" in path.name]


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "--output=a\0b.csv"),
        ("predict", "--page=\0.html"),
        ("transcribe", "--output=a\0"),
    ],
    ids=lambda parts: parts[1].partition("=")[0],
)
def test_files_whose_names_cannot_be_are_told_before_anything_is_computed(complaint, arguments):
    printed = complaint(*arguments, "a.wav")
    assert f"{one_line(arguments[1])}: no name may have a zero byte" in printed


FIELDS = sorted(
    (command, name)
    for command, base in (("extract", config.experiment), ("pretrain", config.pretraining))
    for name in fields.every(base)
    if not name.startswith(f"{configurations.NAMED_FREELY}.")
)


@pytest.mark.parametrize("arguments", [
    "extract --config={}",
    "extract --config=folder --config.corpus.path={} --workdir=run",
    "extract --config=folder --config.corpus.path=. --config.recognizer={} --workdir=run",
    "extract --config=folder --config.corpus.path=. --workdir={}",
    "eval --workdir={}",
    "predict a.wav --predictor={}",
    "predict a.wav --recognizer={}",
    "predict a.wav --output={}.csv",
    "predict a.wav --page={}.html",
    "pretrain --config=english --config.corpus.path={} --workdir=run",
    "pretrain --config=english --config.corpus.path=. --workdir={}",
    "transcribe a.wav --recognizer={}",
    "transcribe a.wav --output={}",
])  # fmt: skip
@pytest.mark.parametrize("name", ["x" * 300, "y/" * 3000, "circle/a"])
def test_a_path_that_no_system_opens_is_one_line(complaint, tmp_path, arguments, name):
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "a.wav").touch()
    complaint(*arguments.format(name).split())


@st.composite
def misspelt(draw):
    """A field with a letter too many, too few, another, or two exchanged; what it is no more."""
    command, name = draw(st.sampled_from(FIELDS))
    i = draw(st.integers(0, len(name) - 2))
    letter = draw(st.sampled_from(string.ascii_lowercase))
    wrong = draw(
        st.sampled_from(
            (name[:i] + letter + name[i:], name[:i] + name[i + 1 :],
             name[:i] + letter + name[i + 1 :], name[:i] + name[i + 1] + name[i] + name[i + 2 :])
        )
    )  # fmt: skip
    return command, name, wrong


def known(command, name):
    return (command, name) in FIELDS or name.startswith(f"{configurations.NAMED_FREELY}.")


@examples(60)
@given(spelling=misspelt(), given_as=st.sampled_from(("config", "nothing", "stored", "json")))
def test_any_misspelling_of_any_field_names_the_right_one(complaint, tmp_path, spelling, given_as):
    command, right, wrong = spelling
    if known(command, wrong) or (given_as == "stored" and command == "pretrain"):
        return
    name = next(
        n for n in OF[command] if right in configurations.leaves(configurations.load(shipped()[n]))
    )
    more = {"config": [f"--config={name}"], "nothing": [], "stored": ["--workdir=."]}
    if given_as == "json":
        nested: object = 1
        for part in reversed(wrong.split(".")):
            nested = {part: nested}
        (tmp_path / "o.json").write_text(json.dumps(nested))
        printed = complaint(command, f"--config={name}", "--overrides=o.json")
        assert "o.json: " in printed
    else:
        (tmp_path / "extract.json").write_text(
            json.dumps(
                {"config": json.loads(configurations.load(shipped()[name]).to_json_best_effort())}
            )
        )
        printed = complaint(command, *more[given_as], f"--config.{wrong}=1")
        assert f"--config.{wrong}: " in printed
    assert re.search(rf"\b{re.escape(right)}\b", printed)


@given(wrong=st.text(max_size=30), names=st.lists(st.text(max_size=12), max_size=5))
def test_suggestions_are_among_the_names(wrong, names):
    printed = did_you_mean(wrong, names)
    assert not printed or any(name in printed for name in names)


@pytest.mark.parametrize("names", [("b", "a.b"), ("a.c.b", "c.b")])
def test_a_name_in_another_group_is_found_by_its_end(names):
    wrong, right = names
    assert f"did you mean {right}?" in did_you_mean(wrong, [right, "a.x", "x.y"])


# Configurations and flags that are right


def shipped() -> dict[str, Path]:
    return configurations.shipped(config.experiment) | configurations.shipped(config.pretraining)


OWN = """from emoasr import config
def get_config():
    c = config.experiment("folder")
    c.seed = 7
    {more}
    return c
"""


@pytest.mark.parametrize("name", ["mine.py", "mine", "C:\\x.py", "a b/c d.py", "~/mine.py"])
def test_a_file_may_lie_anywhere_and_have_any_name(call, tmp_path, name):
    path = tmp_path / name.replace("~", "home")
    path.parent.mkdir(exist_ok=True)
    path.write_text(OWN.format(more=""))
    found, workdir = used(call, "extract", f"--config={name}")
    assert found.seed == 7 and workdir == Path("runs") / path.stem


@pytest.mark.parametrize("name", ["demo", "demo.py", "configs/demo.py", "configs/demo"])
def test_a_configuration_has_a_name(call, name):
    found, workdir = used(call, "extract", f"--config={name}")
    assert found.corpus.kind == "demo" and workdir == Path("runs/demo")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("def get_config(:", ["SyntaxError"]),
        ("x = 1", ["get_config"]),
        ("def get_config():\n    return nothing", ["NameError", "nothing"]),
        ("def get_config():\n    return 5", ["mine.py"]),
        (OWN.format(more="c.poling = 'max'"), ["poling", "did you mean pooling?"]),
        (OWN.format(more="c.eval.selection.scop = 'all'"), ["did you mean eval.selection.scope?"]),
    ],
)
def test_a_faulty_file_is_named(complaint, tmp_path, content, words):
    (tmp_path / "mine.py").write_text(content)
    printed = complaint("extract", "--config=mine.py")
    for word in ("mine.py", *words):
        assert word in printed


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("feature_sets=neural,egemaps", ("neural", "egemaps")),
        ("feature_sets=neural, egemaps,", ("neural", "egemaps")),
        ("feature_sets=('neural', 'a,b.csv')", ("neural", "a,b.csv")),
        ("feature_sets=mfcc", ("mfcc",)),
        ("eval.scale=1,7", (1.0, 7.0)),
        ("eval.scale=(1, 7)", (1.0, 7.0)),
        ("eval.scale=", ()),
        ("eval.scale=()", ()),
        ("eval.merged=happy+excited,sad+bored", ("happy+excited", "sad+bored")),
        ("eval.train_scale=1,7", (1.0, 7.0)),
        ("eval.layers.low=0,1", (0, 1)),
        ("eval.layers.last=-2,-1", (-2, -1)),
        ("eval.layers.one=3", (3,)),
        ("eval.battery=true", True),
        ("eval.battery", True),
        ("ray.gpus=1", 1.0),
        ("shard=3/16", "3/16"),
        ("recognizer=s3://b/a:c", "s3://b/a:c"),
    ],
)
@pytest.mark.parametrize("name", ["folder", "table"])
def test_values_are_of_their_fields_type(call, flag, value, name):
    found, _ = used(call, "extract", f"--config={name}", f"--config.{flag}")
    got = configurations.leaves(found)[flag.partition("=")[0]]
    assert got == value and type(got) is type(value)
    assert list(map(type, got)) == list(map(type, value)) if isinstance(got, tuple) else True


def test_flags_come_in_all_spellings(call):
    found, workdir = used(
        call, "extract", "-config", "folder", "--config.seed", "3", "-config.workers=2",
        "--noconfig.eval.battery", "--config.feature_sets=mfcc", "--config.feature_sets=neural",
        "--workdir", "~/run",
    )  # fmt: skip
    assert (found.seed, found.workers, found.eval.battery) == (3, 2, False)
    assert found.feature_sets == ("mfcc", "neural")
    assert workdir == Path.home() / "run"


def test_flags_win_over_overrides_and_these_over_what_is_stored(call, tmp_path):
    stored = {"config": {"corpus": {"kind": "table"}, "seed": 5, "tap": "gate", "workers": 9}}
    (tmp_path / "extract.json").write_text(json.dumps(stored))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "o.json").write_text('{"tap": "skip", "seed": 6}')
    found, _ = used(call, "eval", "--workdir=.", "--overrides=~/o.json", "--config.seed=7")
    assert (found.seed, found.tap, found.workers) == (7, "skip", 9)


def test_home_is_meant_in_every_path(call, complaint, tmp_path, speech, small_recognizer):
    home = tmp_path / "home"
    home.mkdir()
    (home / "speech").symlink_to(speech)
    (home / "recognizer").symlink_to(small_recognizer)
    status, _, printed = call(
        "extract", "--config=table", "--config.corpus.path=~/speech/metadata.csv",
        "--config.corpus.root=~/speech", "--config.recognizer=~/recognizer", "--workdir=~/run",
        "--config.feature_sets=mfcc", "--config.workers=1", "--config.buckets=1",
    )  # fmt: skip
    assert status == 0, printed
    assert (home / "run" / "extract.json").exists()
    printed = complaint("eval", "--workdir=~/run", "--config.feature_sets=mfcc,~/no.csv")
    assert f"{home}/no.csv" in printed
    assert call("transcribe", "--recognizer=~/recognizer", "~/speech/00.wav")[0] == 0


# Help


@pytest.mark.parametrize("command", OF)
def test_help_lists_the_commands_own_configurations_and_explains_every_field(call, command):
    status, printed, _ = call(command, "--help")
    assert status == 0 and f"python -m emoasr.{command}" in printed
    listed = printed.partition("Configurations:")[2].partition("Flags:")[0]
    assert tuple(re.findall(r"^  (\w+) +\S", listed, re.MULTILINE)) == OF[command]
    for flag in ("--config=", "--workdir=", "--overrides=", "--help", "--version"):
        assert f"\n  {flag}" in printed
    for name, note in re.findall(r"^  --config\.(\S+?)=.*\n(.*)", printed, re.MULTILINE):
        assert len(note.strip()) > 5, f"{name} is not explained"


def test_help_shows_what_a_command_uses_and_not_more(call):
    base = config.experiment("")
    shown = {
        command: set(re.findall(r"^  --config\.(\S+?)=", call(command, "--help")[1], re.MULTILINE))
        for command in OF
    }
    assert set.union(*shown.values()) >= set(configurations.leaves(base))
    assert "eval.n_selected" not in shown["extract"] and "tap" not in shown["eval"]
    assert {"corpus.language", "corpus.consistent", "corpus.root"} <= shown["extract"]
    assert set(configurations.leaves(config.pretraining(""))) <= shown["pretrain"]


@pytest.mark.parametrize("command", ["extract", "eval", "finetune", "predict", "pretrain"])
def test_flags_without_an_effect_are_named(call, monkeypatch, command):
    """Those that a command's help does not have; a configuration's file is for all commands."""
    base = config.pretraining if command == "pretrain" else config.experiment
    name = next(iter(configurations.shipped(base)))
    known = configurations.leaves(configurations.load(configurations.shipped(base)[name]))
    flags = [f"--config.{field}={fields.shown(value)}" for field, value in known.items()]
    helped = set(re.findall(r"^  --(config\.\S+?)=", call(command, "--help")[1], re.MULTILINE))
    monkeypatch.setattr("emoasr.cli._work", lambda *_: 0)
    assert call(command, f"--config={name}", "--workdir=run") == (0, "", "")
    status, _, errors = call(command, f"--config={name}", "--workdir=run", *flags)
    named = set(re.findall(r"--(config\.[\w.]+)", errors))
    of_others = {f"config.{field}" for field in known} - helped
    kept_for_others = command == "extract"  # eval and finetune take the configuration it stores
    assert (status, named) == (0, set() if kept_for_others else of_others)
    assert errors.count("\n") == bool(named) and errors.startswith("warning: " * bool(named))
    if command == "finetune":
        assert {"config.eval.regressor", "config.feature_sets"} <= named
        assert not {"config.eval.targets", "config.eval.scale"} & named


def test_overrides_without_effect_are_named_as_flags_are(call, monkeypatch, tmp_path):
    monkeypatch.setattr("emoasr.cli._work", lambda *_: 0)
    fields = {"feature_sets": ["mfcc"], "finetune": {"norms": "adapted", "layers": 0}}
    (tmp_path / "o.json").write_text(json.dumps(fields))
    given = ("finetune", "--config=table", "--workdir=run", "--overrides=o.json")
    assert call(*given)[2] == (
        "warning: emoasr finetune does not use --config.feature_sets; see --help\n"
        "warning: --config.finetune.norms has an effect only with --config.finetune.layers=NUMBER; "
        "see --help\n"
    )
    assert "norms" not in call(*given, "--config.finetune.layers=1")[2]


def test_a_flag_that_needs_another_is_named_unless_that_is_there(call, monkeypatch):
    monkeypatch.setattr("emoasr.cli._work", lambda *_: 0)
    given = ("extract", "--config=emotale", "--workdir=run", "--config.ray.actors=3")
    assert call(*given)[2] == (
        "warning: --config.ray.actors has an effect only with --config.engine=ray; see --help\n"
    )
    assert call(*given, "--config.engine=ray") == (0, "", "")


def test_help_with_a_configuration_shows_its_values(call):
    printed = call("extract", "--config=emotale", "--help")[1]
    assert "feature_sets=neural,random,mfcc,egemaps,random-1,random-2" in printed
    assert "corpus.language" in printed and "corpus.consistent" not in printed


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_alone_it_lists_the_commands(call, arguments):
    status, printed, _ = call(*arguments)
    assert status == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\w", printed, re.MULTILINE)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_version(call, command):
    assert call(*filter(None, [command]), "--version")[:2] == (0, f"emoasr {emoasr.__version__}\n")


def test_choices_are_those_that_there_are():
    assert set(regression.REGRESSORS) == set(choices.REGRESSORS)


# What is around a command


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(emoasr.__file__).parents[1])}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_heavy_is_imported_for_help_and_mistakes(command, tmp_path, environment):
    code = (
        "import sys\nfrom emoasr.__main__ import main\n"
        f"print(main([{command!r}, '--help']), main([{command!r}, '--config.sed=1']),"
        " main(['extract', '--config=folder', '--config.corpus.path=no']))\n"
        f"print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-2:] == ["0 1 1", "[]"], done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "latin-1"])
def test_output_of_any_encoding_loses_nothing(
    tmp_path, small_recognizer, speech, encoding, monkeypatch
):
    folder = tmp_path / "é漢\u2713"
    folder.mkdir()
    (folder / "漢.wav").symlink_to(speech / "00.wav")
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding=encoding)
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(io.TextIOWrapper(io.BytesIO(), encoding)),
    ):
        status = main([
            "extract", "--config=folder", f"--config.corpus.path={folder}",
            f"--workdir={folder / 'run'}", f"--config.recognizer={small_recognizer}",
        ])  # fmt: skip
        out.flush()
    assert status == 0 and out.errors == "strict"
    assert "features/neural.parquet" in written.getvalue().decode(encoding)
    assert (
        "漢.wav"
        in json.dumps(
            json.loads((folder / "run" / "extract.json").read_text(encoding="utf-8")),
            ensure_ascii=False,
        )
        or (folder / "run" / "labels.parquet").exists()
    )


class ClosedPipe(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


class Full(io.StringIO):
    """A file on a full disk: what is written fails when it leaves the buffer."""

    def flush(self):
        raise OSError(28, "No space left on device")


def test_work_goes_on_when_nobody_reads_what_it_prints(tmp_path, small_recognizer, speech):
    with contextlib.redirect_stdout(ClosedPipe()):
        status = main([
            "extract", "--config=folder", f"--config.corpus.path={speech}",
            f"--workdir={tmp_path / 'run'}", f"--config.recognizer={small_recognizer}",
        ])  # fmt: skip
    assert status == 0 and (tmp_path / "run" / "extract.json").exists()


def test_transcripts_end_when_nobody_reads_them(small_recognizer, speech, capsys):
    with contextlib.redirect_stdout(ClosedPipe()):
        status = main([
            "transcribe", f"--recognizer={small_recognizer}", str(speech / "00.wav")
        ])  # fmt: skip
    printed = capsys.readouterr().err.splitlines()  # an untrained network's transcript is doubted
    assert status == 0 and all(line.startswith("warning: ") for line in printed)


@pytest.mark.parametrize("arguments", [["--help"], ["extract", "--help"], ["--version"]])
def test_output_onto_a_full_disk_is_told(capsys, arguments):
    with contextlib.redirect_stdout(Full()):
        assert main(arguments) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and "No space left" in printed and printed.count("\n") == 1


def test_a_pipe_that_closes_is_quiet(tmp_path, environment):
    done = subprocess.run(
        f"{sys.executable} -m emoasr pretrain --help | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=tmp_path, env=environment, capture_output=True,
        text=True,
    )  # fmt: skip
    assert (done.stdout.splitlines()[1:], done.stderr) == (["0"], "")


def test_a_device_that_is_not_there_is_one_line(tmp_path, environment, speech, small_recognizer):
    done = subprocess.run(
        [sys.executable, "-m", "emoasr", "transcribe", f"--recognizer={small_recognizer}",
         str(speech / "00.wav")],
        cwd=tmp_path, env={**environment, "JAX_PLATFORMS": "cuda"}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: JAX_PLATFORMS=cuda: ")
    assert len(done.stderr.splitlines()) == 1 and "unset it" in done.stderr


def test_an_interrupt_reaches_who_called_the_command(call, monkeypatch):
    """The process that nobody catches it in ends with status 130: see test_interrupts."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("emoasr.cli._work", interrupt)
    with pytest.raises(KeyboardInterrupt):
        call("extract", "--config=folder")


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run_again_and_again_in_one_process(call, monkeypatch, capsys, command):
    before = ["notebook", "-f", "kernel.json"]
    for module, arguments in (
        ("emoasr", [command, "--help"]),
        (f"emoasr.{command}", ["--help"]),
    ) * 2:
        monkeypatch.setattr(sys, "argv", ["x", *arguments])
        with pytest.raises(SystemExit) as done:
            runpy.run_module(module, run_name="__main__")
        assert done.value.code == 0
    monkeypatch.setattr(sys, "argv", before)
    assert call(command, "--help")[0] == 0
    assert sys.argv is before and before == ["notebook", "-f", "kernel.json"]


def test_other_flags_of_the_process_are_left_alone(call):
    from absl import flags

    before = set(flags.FLAGS)
    used(call, "extract", "--config=folder", "--config.seed=1")
    assert used(call, "extract", "--config=folder", "--config.workers=2")[0].seed == 0
    assert set(flags.FLAGS) == before


@pytest.mark.parametrize("run", [extract.main, extract.merge, predict.main, emoasr_eval.main])
def test_main_takes_no_url_to_write_to(tmp_path, monkeypatch, speech, small_recognizer, run):
    monkeypatch.chdir(tmp_path)
    c = config.experiment("folder")
    c.corpus.path, c.recognizer, c.shard = str(speech), str(small_recognizer), ""
    with pytest.raises(UserError, match="workdir=s3://b/x: must be on a disk"):
        run(c, "s3://b/x")
    assert not list(tmp_path.iterdir())


def test_main_takes_text_and_complains_as_python_does(tmp_path, speech, small_recognizer):
    c = config.experiment("folder")
    c.corpus.path, c.recognizer, c.feature_sets = str(speech), str(small_recognizer), ("mfcc",)
    extract.main(c, str(tmp_path / "run"))
    assert (tmp_path / "run" / "extract.json").exists()
    c.tap = "gates"
    with pytest.raises(UserError, match=r"config\.tap"):
        extract.main(c, str(tmp_path / "run"))


# Transcripts


def test_transcribe_prints_each_file_and_names_the_unreadable(call, speech, small_recognizer):
    Path("bad.wav").write_text("no audio")
    files = [str(speech / "00.wav"), "bad.wav", "gone.wav", str(speech / "01.wav")]
    options = [f"--recognizer={small_recognizer}"]
    status, printed, errors = call("transcribe", *files, "--format=json", *options)
    assert status == 1
    heard = [json.loads(line) for line in printed.splitlines()]
    assert [row["file"] for row in heard] == [files[0], files[3]]
    assert all(len(row["text"]) == len(row["times"]) for row in heard)
    assert "bad.wav" in errors and "gone.wav" in errors and "Traceback" not in errors


def test_what_is_wrong_with_every_file_is_said_once(complaint, speech, tmp_path):
    files = [str(speech / "00.wav"), str(speech / "01.wav")]
    assert "--beam_size=100000: must be whole" in complaint(
        "transcribe", "--beam_size=100000", "--recognizer=no", *files
    )
    whisper = Path(__file__).parent / "asr" / "of_transformers" / "whisper"
    assert "whisper has no CTC head" in complaint("transcribe", f"--recognizer={whisper}", *files)


@pytest.mark.parametrize(
    ("flags", "warns"),
    [
        (["--language_weight=2"], True),
        (["--language_weight=0"], False),
        (["--language_weight=2", "--beam_size=2"], False),
        ([], False),
    ],
)
def test_a_language_weight_that_greedy_decoding_does_not_use_is_named(
    call, speech, small_recognizer, flags, warns
):
    options = [f"--recognizer={small_recognizer}", *flags]
    status, _, errors = call("transcribe", str(speech / "00.wav"), *options)
    assert status == 0
    assert ("--language_weight has an effect only with --beam_size=2 or more" in errors) == warns


def test_transcripts_go_to_files_one_each_and_never_over_another(call, speech, small_recognizer):
    files = [str(speech / "00.wav"), str(speech / "01.wav")]
    options = [f"--recognizer={small_recognizer}", "--output=out"]
    for kind, suffix in (("csv", "csv"), ("textgrid", "TextGrid"), ("srt", "srt")):
        status, printed, _ = call("transcribe", *files, f"--format={kind}", *options)
        assert status == 0 and not printed
        assert {p.name for p in Path("out").glob(f"*.{suffix}")} == {f"00.{suffix}", f"01.{suffix}"}
    assert all(p.read_text().startswith("file,start,") for p in Path("out").glob("*.csv"))
    status, _, errors = call("transcribe", *files, "--format=csv", *options)
    assert status == 1 and "out/00.csv: is there already" in errors
    status, _, errors = call("transcribe", "a/x.wav", "b/x.flac", "--output=other")
    assert status == 1 and "x.txt" in errors
