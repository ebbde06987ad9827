import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import run_folder

from emoasr import eval as command
from emoasr.config import experiment
from emoasr.errors import UserError
from emoasr.extraction import feature_tables
from emoasr.files import parquet
from emoasr.report import paper, wording
from emoasr.system.output import number

SKIPPED = {"file": "x.wav", "start": None, "end": None, "step": "audio", "reason": "is empty"}


SMALL = {"n_layers": 6, "n_units": 4}  # a network that is soon evaluated


def made_up(workdir, network=SMALL, **kwargs):
    table, labels = run_folder.corpus()
    labels.loc["wav/0003.wav", "valence"] = np.nan
    tables = {"neural": run_folder.neural_like(labels.index, **network), "mfcc": table}
    return run_folder.write(workdir, tables, labels, skipped=(SKIPPED,), **kwargs)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One of the paper's size, with its pictures."""
    workdir = tmp_path_factory.mktemp("run") / "w"
    command.main(made_up(workdir, network={}, synthetic=True), workdir)
    return workdir


@pytest.fixture(autouse=True)
def no_others(undrawn):
    """No further pictures are drawn in this process."""


def changed(config, **settings):
    """A copy of the configuration with other fields of `eval`."""
    config = config.copy_and_resolve_references()
    config.eval.update(settings)
    return config


def strictly(text):
    def refuse(constant):
        raise AssertionError(f"not JSON: {constant}")

    return json.loads(text, parse_constant=refuse)


def eval_in_a_shell(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "emoasr.eval", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PYTHONPATH": str(Path(command.__file__).parents[1]), "PATH": "/usr/bin:/bin"},
        timeout=120,
    )


def test_results_are_those_of_the_contract(run):
    results = strictly((run / "eval" / "linear-5" / "results.json").read_text())
    assert set(results) == {
        "rows", "differences", "battery", "notes", "provenance", "skipped",
    }  # fmt: skip
    assert (results["battery"], results["notes"]) == (None, [])
    assert [(r["feature_set"], r["target"]) for r in results["rows"]] == [
        (s, t) for t in ("arousal", "valence") for s in ("neural", "mfcc", "mean")
    ]
    provenance = results["provenance"]
    assert (provenance["corpus"]["name"], provenance["corpus"]["synthetic"]) == ("made up", True)
    assert (provenance["found"], provenance["used"], provenance["recognizer"]) == (
        49,
        48,
        "sha256:abc",
    )
    assert provenance["config"]["eval"]["n_selected"] == 5
    assert {"emoasr", "scikit-learn", "python"} <= provenance["versions"].keys()
    assert results["skipped"] == [
        SKIPPED,
        {**SKIPPED, "file": "wav/0003.wav", "step": "eval", "reason": "no rating of valence"},
    ]


def test_a_sum_is_said_to_be_one_and_has_no_predictor(tmp_path, capsys):
    workdir = tmp_path / "w"
    config = made_up(workdir)
    command.main(config, workdir)
    config.feature_sets = ("neural", "mfcc", "neural+mfcc")
    with pytest.raises(UserError, match="feature set neural.mfcc"):
        command.main(config, workdir)
    command.main(config, workdir, overwrite=True)
    assert "neural+mfcc: no predictor is kept of a sum" in capsys.readouterr().out
    folder = workdir / "eval" / "linear-5"
    rows = strictly((folder / "results.json").read_text())["rows"]
    assert [r["n_features"] for r in rows if r["feature_set"] == "neural+mfcc"] == [32, 32]
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "the features of neural and mfcc side by side" in report


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """Folders `train` and `test`, and how the latter is predicted after fitting on the former."""
    folder = tmp_path_factory.mktemp("two")
    config = made_up(folder / "test")
    made_up(folder / "train")
    config.feature_sets = ("mfcc",)
    crossed = {"protocol": "cross-corpus", "train_workdir": str(folder / "train")}
    return folder, changed(config, **crossed)


def test_a_run_is_tested_after_training_on_another(two_runs):
    folder, config = two_runs
    command.main(config, folder / "test")
    evaluation = folder / "test" / "eval" / "linear-5-from-train"
    results = strictly((evaluation / "results.json").read_text())
    assert {r["n_utterances"] for r in results["rows"]} == {48, 47}
    assert {(r["train_corpus"], r["scales"]) for r in results["rows"]} == {
        ("made up", "both 1 to 5")
    }
    assert results["notes"][0] == "trained on made up, tested on made up"
    report = (evaluation / "report.md").read_text()
    assert "features are standardised by the training corpus" in report
    assert not (evaluation / "predictors").exists()


@pytest.mark.parametrize(("metadata", "settings", "message"), [
    ({"recognizer": "other"}, {}, "the recognizer of its feature set 'mfcc' is 'other', here it"),
    ({"tap": "skip"}, {}, "the tap of its feature set 'mfcc' is 'skip', here it is None"),
    ({}, {"train_workdir": "."}, "extract.json: no such file"),
    ({}, {"protocol": "predefined-test"}, "cross-corpus needs the workdir of the training corpus"),
    ({}, {"train_workdir": ""}, "cross-corpus needs the workdir of the training corpus"),
    ({}, {"train_scale": (2.0, 1.0)}, "config.eval.train_scale=.*must be the lowest"),
])  # fmt: skip
def test_runs_that_cannot_be_crossed_are_refused(two_runs, tmp_path, metadata, settings, message):
    folder, config = two_runs
    made_up(tmp_path / "train")
    table = tmp_path / "train" / "features" / "mfcc.parquet"
    parquet.write(
        *parquet.read(table)[:1], table, {"feature_set": "mfcc", "recognizer": None, **metadata}
    )
    settings = {"train_workdir": str(tmp_path / "train"), **settings}
    with pytest.raises(UserError, match=message):
        command.main(changed(config, **settings), folder / "test")


def test_tables_can_be_read_back(run):
    predictions, _ = feature_tables.read(run / "eval" / "linear-5" / "predictions.parquet")
    assert predictions.index.name == "file"
    assert list(predictions) == [
        "feature_set", "target", "fold", "speaker", "label", "prediction", "clipped",
    ]  # fmt: skip
    assert len(predictions) == 3 * (48 + 47)
    assert not predictions.isna().any().any()
    selected, _ = feature_tables.read(run / "eval" / "linear-5" / "selected.parquet")
    assert list(selected) == ["feature_set", "target", "fold", "feature", "f_score", "rank"]
    assert len(selected) == 2 * 2 * 4 * 5
    correlations, _ = feature_tables.read(run / "eval" / "linear-5" / "correlations.parquet")
    assert len(correlations) == (4 + 1) * 2 * 1920  # speakers and their mean, ratings, units


def test_the_page_and_its_figures_are_written_whole(run):
    names = sorted(path.name for path in (run / "eval" / "linear-5" / "figures").iterdir())
    maps = ["pearson-00-mean", *(f"pearson-{i + 1:02d}-s{i}" for i in range(4))]
    others = ["predicted", "residuals", "selected", "speakers", "summary"]
    assert names == [
        f"{name}.{kind}"
        for name in ("differences", *maps, *others)
        for kind in ("pdf", "png", "svg")
    ]
    starts = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<svg"}
    for path in (run / "eval" / "linear-5" / "figures").iterdir():
        assert path.read_bytes().startswith(starts[path.suffix[1:]])
    for page in ("report.html", "report.md"):
        assert "Synthetic corpus" in (run / "eval" / "linear-5" / page).read_text(encoding="utf-8")
    assert not list(run.rglob("*.part"))


def test_the_terminal_shows_the_table_the_losses_and_the_report(tmp_path, capsys):
    workdir = tmp_path / "w"
    command.main(made_up(workdir, synthetic=True), workdir)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "made up (SYNTHETIC: made by a program): 49 found, 48 extracted"
    assert "arousal: 48 utterances, leave-one-speaker-out, 4 folds" in lines
    assert any(line.startswith("  1 x eval: no rating of valence: wav/") for line in lines)
    assert sum(line.lstrip().startswith("neural ") for line in lines) == 2
    assert "Clipped to the rating scale, with 95 % intervals by speaker" in lines
    assert lines[-1] == str(workdir / "eval" / "linear-5" / "report.html")


def test_a_second_run_leaves_no_figure_of_the_first(tmp_path):
    workdir = tmp_path / "w"
    config = made_up(workdir)
    figures = workdir / "eval" / "linear-5" / "figures"
    figures.mkdir(parents=True)
    (figures / "pearson-99-gone.png").touch()
    (figures / "mine.png").touch()
    command.main(config, workdir)
    assert not (figures / "pearson-99-gone.png").exists()
    assert (figures / "mine.png").exists()


def test_evaluations_of_a_run_stand_beside_each_other(tmp_path):
    table, labels = run_folder.corpus()
    config = run_folder.write(tmp_path / "w", {"mfcc": table}, labels)
    asked = (
        {},
        {"regressor": "ridge", "n_selected": 0},
        {"targets": ("valence",)},
        {"protocol": "leave-one-session-out"},
        {"name": "mine", "scale": ()},
    )
    for settings in asked:
        command.main(changed(config, **settings), tmp_path / "w")
    names = {"linear-5", "ridge-all", "linear-5-valence", "linear-5-sessions", "mine"}
    folder = tmp_path / "w" / "eval"
    assert {path.parent.name for path in folder.glob("*/results.json")} == names
    (folder / "broken").mkdir()
    (folder / "broken" / "results.json").write_text("[]")
    command.main(config, tmp_path / "w")
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{name}/report.html"' in page for name in names)
    assert "broken: its results.json cannot be read" in page
    for name in names:
        for row in strictly((folder / name / "results.json").read_text())["rows"]:
            assert wording.interval(row, "clipped_ccc").partition(" [")[0] in page


@pytest.mark.parametrize(
    "name", ["../x", "a/b", ".hidden", "a..b", " ", "é" * 61, "\0", "_x", "x."]
)
def test_an_evaluations_name_is_that_of_a_folder(tmp_path, name):
    config = changed(made_up(tmp_path / "w"), name=name)
    with pytest.raises(UserError, match=r"config\.eval\.name=.*must be the name of a folder"):
        command.main(config, tmp_path / "w")
    assert not (tmp_path / "w" / "eval").exists()


@pytest.mark.parametrize("name", ["index.html", "Index.HTML", "index.html.part"])
def test_an_evaluations_folder_cannot_take_the_place_of_the_page_of_all(tmp_path, name):
    config = changed(made_up(tmp_path / "w"), name=name)
    with pytest.raises(UserError, match=f"config.eval.name='{name}': begins like index.html"):
        command.main(config, tmp_path / "w")
    assert not (tmp_path / "w" / "eval").exists()


def another_label(config, workdir):
    labels, _ = parquet.read(workdir / "labels.parquet")
    labels.iloc[0, labels.columns.get_loc("arousal")] = np.float32(1.5)
    parquet.write(labels, workdir / "labels.parquet")
    return config


def another_feature(config, workdir):
    table, metadata = parquet.read(workdir / "features" / "mfcc.parquet")
    table.iloc[0, 0] = np.float32(7)
    parquet.write(table, workdir / "features" / "mfcc.parquet", metadata)
    return config


def further_labels(config, workdir):
    labels, _ = parquet.read(workdir / "labels.parquet")
    parquet.write(labels.assign(weather="fine"), workdir / "labels.parquet")
    return config


def another_set(config, workdir):
    del workdir
    config = changed(config)
    config.feature_sets = ("mfcc", "egemaps")
    return config


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (another_label, "labels"),
        (another_feature, "feature set mfcc"),
        (another_set, "feature set egemaps"),
        (lambda c, _: changed(c, scale=(0.0, 6.0)), r"config\.eval\.scale"),
        (lambda c, _: changed(c, targets=("valence",)), r"config\.eval\.targets"),
        (lambda c, _: changed(c, regressor="ridge"), r"config\.eval\.regressor"),
        (further_labels, None),
        (lambda c, _: changed(c), None),
    ],
)
def test_another_evaluation_is_not_replaced_unasked(tmp_path, change, named):
    table, labels = run_folder.corpus()
    tables = {"mfcc": table, "egemaps": table + 1}
    config = changed(run_folder.write(tmp_path / "w", tables, labels), name="mine")
    config.feature_sets = ("mfcc",)
    command.main(config, tmp_path / "w")
    path = tmp_path / "w" / "eval" / "mine" / "results.json"
    first = path.read_bytes()
    other = change(config, tmp_path / "w")
    if named is None:
        command.main(other, tmp_path / "w")
        return
    with pytest.raises(UserError, match=f"{named}: there .* --config.eval.name, or --overwrite"):
        command.main(other, tmp_path / "w")
    assert path.read_bytes() == first
    command.main(other, tmp_path / "w", overwrite=True)
    assert path.read_bytes() != first


@pytest.mark.parametrize("stopped", [False, True])
def test_nothing_of_an_evaluation_that_is_replaced_stays(tmp_path, monkeypatch, stopped):
    workdir = tmp_path / "w"
    made = {"recognizer": "0123456789abcdef", "tap": "gate", "pooling": "mean"}
    config = changed(made_up(workdir, **made), name="mine")
    command.main(config, workdir)
    folder = workdir / "eval" / "mine"
    assert (folder / "predictors" / "neural" / "predictor.json").exists()
    config.feature_sets = ("mfcc",)
    if stopped:
        monkeypatch.setattr("emoasr.report.write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            command.main(config, workdir, overwrite=True)
        assert not (folder / "results.json").exists()  # with the other's predictions.parquet
    else:
        command.main(config, workdir, overwrite=True)
        assert "neural" not in (folder / "results.json").read_text()
    assert not (folder / "predictors").exists()


def test_a_setting_newer_than_an_evaluation_had_its_default(tmp_path):
    config = changed(made_up(tmp_path / "w"), name="mine")
    command.main(config, tmp_path / "w")
    path = tmp_path / "w" / "eval" / "mine" / "results.json"
    results = strictly(path.read_text())
    del results["provenance"]["made_from"]["config.eval.within_speaker"]
    path.write_text(json.dumps(results))
    with pytest.raises(UserError, match="differs: config.eval.within_speaker: there False, now Tr"):
        command.main(changed(config, within_speaker=True), tmp_path / "w")
    command.main(config, tmp_path / "w")
    made_from = strictly(path.read_text())["provenance"]["made_from"]
    assert made_from["config.eval.within_speaker"] is False


def test_an_evaluation_that_cannot_be_read_is_not_replaced_unasked(tmp_path):
    config = made_up(tmp_path / "w")
    folder = tmp_path / "w" / "eval" / "linear-5"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text("{}")
    with pytest.raises(UserError, match="--overwrite"):
        command.main(config, tmp_path / "w")


def test_without_neural_features_there_are_no_maps(tmp_path):
    table, labels = run_folder.corpus()
    labels.loc[labels.speaker == "s0", "speaker"] = "../<b>"
    config = run_folder.write(tmp_path / "w", {"mfcc": table}, labels)
    command.main(config, tmp_path / "w")
    drawn = {p.name for p in (tmp_path / "w/eval/linear-5/figures").glob("*.png")}
    names = ("summary", "differences", "predicted", "residuals", "speakers")
    assert drawn == {f"{name}.png" for name in names}
    assert not (tmp_path / "w/eval/linear-5/correlations.parquet").exists()


def test_a_speakers_name_cannot_leave_the_folder(tmp_path):
    table, labels = run_folder.corpus()
    labels["speaker"] = labels["speaker"].replace({"s0": "../../<b>", "s1": "ø/" + "x" * 300})
    tables = {"neural": run_folder.neural_like(table.index, **SMALL)}
    config = run_folder.write(tmp_path / "w", tables, labels)
    command.main(config, tmp_path / "w")
    assert len(list((tmp_path / "w/eval/linear-5/figures").glob("pearson-*.png"))) == 5
    assert "../<b>" not in (tmp_path / "w/eval/linear-5/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": (5.0, 1.0)}, r"config\.eval\.scale=\(5.0, 1.0\)"),
        ({"scale": (2.0, 2.0)}, r"config\.eval\.scale=\(2.0, 2.0\)"),
        ({"scale": (1.0,)}, r"config\.eval\.scale=\(1.0,\)"),
        ({"scale": (1.0, float("inf"))}, r"config\.eval\.scale"),
        ({"targets": ()}, r"config\.eval\.targets"),
        ({"targets": ("arousal", "arousal")}, r"config\.eval\.targets.*twice"),
        ({"n_selected": -1}, r"config\.eval\.n_selected=-1"),
        ({"partner": "away"}, r"config\.eval\.partner='away'"),
        ({"layers": {"mean": (0,)}}, r"config\.eval\.layers\.mean: another feature set"),
        ({"layers": {"mfcc": (0,)}}, r"config\.eval\.layers\.mfcc: another feature set"),
        ({"layers": {"low": ()}}, r"config\.eval\.layers\.low=\(\): must be one or more"),
        ({"layers": {"low": (0.5,)}}, r"config\.eval\.layers\.low=\(0.5,\)"),
    ],
)
def test_what_can_be_known_is_checked_before_tables_are_read(tmp_path, settings, message):
    config = made_up(tmp_path / "w")
    (tmp_path / "w/features/neural.parquet").write_bytes(b"not Parquet")
    (tmp_path / "w/labels.parquet").unlink()
    with pytest.raises(UserError, match=message):
        command.main(changed(config, **settings), tmp_path / "w")


@pytest.mark.parametrize(
    ("sets", "layers", "message"),
    [
        ((), {}, "config.feature_sets"),
        (("mean.csv",), {}, "'mean', which is the name of the baseline"),
        (("mfcc",), {"low": (0,)}, "config.eval.layers.low: needs the feature set 'neural'"),
    ],
)
def test_names_of_what_is_compared_are_checked_first(tmp_path, sets, layers, message):
    config = changed(made_up(tmp_path / "w"), layers=layers)
    config.feature_sets = sets
    with pytest.raises(UserError, match=message):
        command.main(config, tmp_path / "w" / "not-there")


def test_classes_and_ratings_have_one_report(tmp_path, capsys):
    table, labels = run_folder.corpus()
    labels["mood"] = np.where(table["f1"] > 0, "<b>up</b>", "down")
    config = run_folder.write(tmp_path / "w", {"mfcc": table, "egemaps": -table}, labels)
    printed = []
    for targets in (("mood",), ("arousal", "mood")):
        command.main(changed(config, targets=targets, battery=len(targets) == 2), tmp_path / "w")
        printed.append(capsys.readouterr().out)
        assert "Classes, with 95 % intervals by speaker" in printed[-1]
    alone, both = (
        tmp_path / "w/eval/linear-5-mood",
        tmp_path / "w/eval/linear-5-arousal+mood-ablations",
    )
    drawn = {path.name for path in (alone / "figures").glob("*.png")}
    assert drawn == {"classes.png", "confusion.png"}
    assert {"classes.png", "confusion.png", "summary.png"} < {
        path.name for path in (both / "figures").iterdir()
    }
    for folder, out in zip((alone, both), printed, strict=True):
        rows = strictly((folder / "results.json").read_text())["rows"]
        (row,) = [r for r in rows if (r["target"], r["feature_set"]) == ("mood", "mfcc")]
        assert row["uar_low"] <= row["uar"] <= row["uar_high"]
        for page in ("report.html", "report.md"):
            text = (folder / page).read_text(encoding="utf-8")
            assert number(row["uar"]) in text
            for said in (text, out):  # what stands below them is named after what it predicts
                assert "baseline (commonest class)" in said
                assert ("baseline (training mean)" in said) == (folder == both)
            assert "<b>up</b>" not in text.replace('"<b>', "").replace("\\u003cb", "")
        predictions, _ = feature_tables.read(folder / "predictions.parquet")
        assert set(predictions["class"].dropna()) == {"<b>up</b>", "down"}
    index = (tmp_path / "w/eval/index.html").read_text(encoding="utf-8")
    assert number(row["uar"]) in index
    last = {
        target: re.findall(r'<th scope="row">(.*?)</th>', of_target)[-1]
        for target, of_target in re.findall(r"<h2>(.*?)</h2>(.*?)</table>", index, re.DOTALL)
    }
    assert last == {
        "mood": "baseline (commonest class)",
        "arousal": "baseline (training mean)",
    }


def test_a_missing_table_is_named(tmp_path):
    config = made_up(tmp_path / "w")
    (tmp_path / "w/features/mfcc.parquet").unlink()
    with pytest.raises(UserError, match=r"features/mfcc\.parquet.*emoasr\.extract"):
        command.main(config, tmp_path / "w")


def test_a_corpus_without_ratings_has_nothing_to_evaluate(tmp_path):
    table, labels = run_folder.corpus()
    config = run_folder.write(tmp_path / "w", {"mfcc": table}, labels[[]])
    with pytest.raises(UserError, match="nothing to evaluate: the corpus has no ratings"):
        command.main(config, tmp_path / "w")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"corpus": 1'])
def test_a_broken_record_of_the_extraction_is_named(tmp_path, text):
    config = made_up(tmp_path / "w")
    (tmp_path / "w/extract.json").write_text(text)
    with pytest.raises(UserError, match=r"extract\.json.*emoasr\.extract"):
        command.main(config, tmp_path / "w")


def test_a_wrong_workdir_is_one_line_and_status_1(tmp_path):
    done = eval_in_a_shell("--workdir=nowhere", cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "nowhere" in line
    assert list(tmp_path.iterdir()) == []


def test_the_stored_configuration_is_taken_from_any_folder(tmp_path):
    table, labels = run_folder.corpus()
    run_folder.write(tmp_path / "w", {"mfcc": table}, labels)
    done = eval_in_a_shell("--workdir=w", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "w/eval/linear-5/report.html"
    results = strictly((tmp_path / "w/eval/linear-5/results.json").read_text())
    assert results["provenance"]["command"].endswith("-m emoasr.eval --workdir=w")


def test_help_helps(tmp_path):
    done = eval_in_a_shell("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "python -m emoasr.eval --workdir=" in done.stdout


def test_a_table_that_somebody_else_made_stands_beside_ours(tmp_path, capsys):
    config = made_up(tmp_path / "w")
    table, _ = run_folder.corpus()
    table.iloc[2:].to_csv(tmp_path / "whisper.csv")
    config.feature_sets = ("neural", str(tmp_path / "whisper.csv"))
    command.main(config, tmp_path / "w")
    line = "  2 x eval: no features in whisper: wav/0000.wav, wav/0001.wav"
    assert line in capsys.readouterr().out.splitlines()
    results = strictly((tmp_path / "w/eval/linear-5/results.json").read_text())
    assert {r["feature_set"] for r in results["rows"]} == {"neural", "whisper", "mean"}
    assert {r["n_utterances"] for r in results["rows"]} == {46, 45}


def test_what_an_older_runs_configuration_lacks_is_as_by_default(tmp_path, capsys):
    made_up(tmp_path / "w")
    path = tmp_path / "w/extract.json"
    record = json.loads(path.read_text())
    for field in ("partner", "selection", "layers", "battery"):
        del record["config"]["eval"][field]
    path.write_text(json.dumps(record))
    assert command.command([f"--workdir={tmp_path / 'w'}"]) == 0
    assert capsys.readouterr().err == ""


def test_the_papers_tables_stand_beside_ours_on_iemocap(tmp_path, capsys):
    table, labels = run_folder.corpus()
    tables = {"neural": run_folder.neural_like(labels.index, **SMALL), "egemaps": table}
    config = run_folder.write(tmp_path / "w", tables, labels)
    config.corpus.kind = "iemocap"
    config.corpus.consistent = "category"
    config.eval.n_selected = 100
    config.eval.layers = {"first": (0, 1, 2), "last": (-3, -2, -1)}
    command.main(config, tmp_path / "w")
    provenance = strictly((tmp_path / "w/eval/linear-100/results.json").read_text())["provenance"]
    assert len(provenance["paper"]) == 8
    lines = capsys.readouterr().out.splitlines()
    beside = lines[lines.index("Compared with the paper") :]
    (line,) = [line for line in beside if line.split()[:2] == ["valence", "last"]]
    assert {".661", ".089"} <= set(line.replace("[", " ").split())


@pytest.mark.parametrize("changes", [{"within_speaker": True}, {"partner": "out"}], ids=str)
def test_the_papers_tables_do_not_stand_beside_what_was_done_otherwise(changes):
    config = experiment("iemocap")
    assert paper.rows(config.to_dict())
    assert not paper.rows(changed(config, **changes).to_dict())


def test_the_report_says_where_the_penalty_of_classes_was_chosen(tmp_path):
    table, labels = run_folder.corpus(n_speakers=6)
    labels["mood"] = np.where(labels["arousal"] > 3, "high", "low")
    labels["split"] = labels["speaker"].map({"s0": "test", "s1": "dev"}).fillna("train")
    config = run_folder.write(tmp_path / "w", {"mfcc": table}, labels)
    asked = {"targets": ("mood",), "protocol": "predefined-test", "name": "e"}
    for split, where in (("train", "within each training fold"), ("dev", "on the split dev")):
        command.main(changed(config, **asked, chosen_on=split), tmp_path / "w", overwrite=True)
        for name in ("report.md", "report.html"):
            text = (tmp_path / "w" / "eval" / "e" / name).read_text(encoding="utf-8")
            assert f"penalty chosen {where}." in " ".join(text.split())


def test_ablations_are_in_the_results_and_their_conclusions_in_print(tmp_path, capsys):
    config = made_up(tmp_path / "w")
    config.eval.battery = True
    config.feature_sets = ("mfcc",)
    command.main(config, tmp_path / "w")
    assert "not done: layers: there is no feature set of a network" in capsys.readouterr().out
    battery = strictly((tmp_path / "w/eval/linear-5-ablations/results.json").read_text())["battery"]
    assert set(battery) == {"rows", "differences", "trend", "speakers", "omitted"}
