"""`emoasr predict`: files, folders and tables; corpora."""

import json
import shutil

import made_extraction
import made_predictors
import numpy as np
import pandas as pd
import pytest
import soundfile

import emoasr
from emoasr import eval as emoasr_eval
from emoasr import extract
from emoasr.__main__ import main
from emoasr.extraction import feature_tables


@pytest.fixture(scope="module")
def predictor(small_recognizer, tmp_path_factory):
    digest = emoasr.load_recognizer(small_recognizer).digest
    return made_predictors.save(tmp_path_factory.mktemp("p") / "predictor", digest)


@pytest.fixture
def unlike(tmp_path, small_recognizer):
    """A predictor of which no sound is in the range."""
    digest = emoasr.load_recognizer(small_recognizer).digest
    return made_predictors.save(tmp_path / "unlike", digest, shift=9)


@pytest.fixture
def predict(predictor, small_recognizer, tmp_path, monkeypatch, capsys):
    """Runs `emoasr predict` with the small recognizer: status, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        own = f"--predictor={predictor}", f"--recognizer={small_recognizer}"
        status = main(["predict", *own, *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


def test_files_give_a_row_each_and_what_cannot_be_read_is_named(predict, unlike, speech):
    files = speech / "01.wav", "missing.wav", speech / "00.wav"
    status, shown, errors = predict("--predictor=unlike", *files)
    assert status == 0, errors
    head, *rows = shown.splitlines()
    assert head.split() == ["file", "arousal", "valence", "beyond"]
    assert [row.split()[0] for row in rows] == [str(speech / "01.wav"), str(speech / "00.wav")]
    assert "skipped: missing.wav: no such file" in errors
    assert "warning: 2 of 2 inputs unlike the fitted speech" in errors


@pytest.mark.parametrize("before", [0, 1])
def test_an_empty_input_is_not_the_current_folder(predict, speech, tmp_path, before):
    shutil.copy(speech / "00.wav", tmp_path)
    status, shown, errors = predict(*["00.wav"] * before, "")
    assert (status, shown) == (1, "")
    assert errors.startswith(f"error: input {before} is empty; name a file") and "'.'" in errors


def test_nothing_that_can_be_read_is_an_error(predict, tmp_path):
    (tmp_path / "a.wav").write_text("no audio")
    status, shown, errors = predict("a.wav", "b.wav")
    assert status == 1 and not shown
    assert errors.splitlines()[-1] == "error: none of 2 inputs could be read"


def test_a_folder_a_table_and_a_file_together(predict, speech, tmp_path):
    (tmp_path / "labels.csv").write_text(f"file,start,end\n{speech}/00.wav,0,0.1\n")
    (tmp_path / "more").mkdir()
    soundfile.write(tmp_path / "more" / "x.wav", np.ones(800) / 10, 16000)
    status, shown, errors = predict("more", "labels.csv", speech / "01.wav", "--output=all.parquet")
    assert status == 0 and shown == "all.parquet: 3 rows\n", errors
    table, metadata = feature_tables.read(tmp_path / "all.parquet")
    assert list(table.index.get_level_values("file")) == [
        "more/x.wav", f"{speech}/00.wav", f"{speech}/01.wav",
    ]  # fmt: skip
    assert len(metadata["predictor"]) == 16


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.parquet"])
def test_every_format_holds_the_same(predict, speech, tmp_path, name):
    assert predict("--window=0.1", f"--output={name}", speech / "00.wav")[0] == 0
    if name == "a.json":
        table = pd.DataFrame(json.loads((tmp_path / name).read_text()))
        starts = table["start"]
    else:
        table = feature_tables.read(tmp_path / name)[0].reset_index()
        starts = table["start"].dt.total_seconds()
    np.testing.assert_allclose(starts, 0.1 * np.arange(len(table)), atol=1e-6)
    assert {"arousal", "arousal_low", "arousal_high", "beyond", "fitted"} < set(table)


def test_a_file_that_is_there_is_replaced_only_if_asked(predict, speech, tmp_path):
    (tmp_path / "a.csv").write_text("mine")
    status, _, errors = predict("--output=a.csv", speech / "00.wav")
    assert status == 1 and "--output=a.csv: is there already" in errors
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert predict("--output=a.csv", "--overwrite", speech / "00.wav")[0] == 0
    assert (tmp_path / "a.csv").read_text().startswith("file,arousal")


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize("name", ["t.csv", "link.csv", "./t.csv"])
def test_an_input_is_not_replaced_by_its_predictions(predict, speech, tmp_path, name, overwrite):
    (tmp_path / "t.csv").write_text(content := f"file,arousal\n{speech}/00.wav,3\n")
    (tmp_path / "link.csv").symlink_to("t.csv")
    url = f"file://{tmp_path}/t.csv"
    for inputs in (["no.wav", "t.csv"], [url], ["--config=table", "--config.corpus.path=t.csv"]):
        status, _, errors = predict(f"--output={name}", *overwrite, *inputs)
        assert status == 1 and f"--output={name}: is one of the inputs and would be lost" in errors
        assert (tmp_path / "t.csv").read_text() == content


def test_a_track_has_a_row_a_frame(predict, speech, tmp_path):
    status, shown, _ = predict("--track", speech / "00.wav")
    assert status == 0 and shown.split()[:4] == ["file", "time", "arousal", "valence"]
    predict("--track", "--output=t.csv", speech / "00.wav")
    track = pd.read_csv(tmp_path / "t.csv")
    assert len(track) == len(shown.splitlines()) - 1
    assert np.allclose(np.diff(track["time"]), 0.032)


@pytest.mark.parametrize("flags", [(), ("--track",)])
def test_an_open_end_is_shown_as_nothing_and_times_in_seconds(predict, speech, tmp_path, flags):
    (tmp_path / "t.csv").write_text(
        f"file,start,end\n{speech}/00.wav,0,0.1\n{speech}/01.wav,0.1,\n"
    )
    status, shown, errors = predict("t.csv", *flags)
    assert status == 0, errors
    rows = [line.split() for line in shown.splitlines() if ".wav" in line]
    assert {tuple(row[:3]) for row in rows if "00.wav" in row[0]} == {(rows[0][0], "0.00", "0.10")}
    assert rows[-1][1] == "0.10" and len(rows[-1]) == len(rows[0]) - 1
    assert "NaT" not in shown and "nan" not in shown and "days" not in shown


def test_a_page_is_written_beside_the_table(predict, unlike, speech, tmp_path):
    files = speech / "01.wav", "missing.wav", speech / "00.wav"
    status, shown, errors = predict("--predictor=unlike", "--page=p.html", *files)
    assert status == 0, errors
    assert shown.split()[:4] == ["file", "arousal", "valence", "beyond"]
    assert shown.splitlines()[-1] == "p.html" and "skipped: missing.wav" in errors
    page = (tmp_path / "p.html").read_text()
    assert page.count("<button") == 2 and "2 of 2 inputs unlike the fitted speech" in page
    status, _, errors = predict("--page=p.html", speech / "00.wav")
    assert status == 1 and "--page=p.html: is there already" in errors
    assert predict("--page=p.html", "--overwrite", speech / "00.wav")[0] == 0
    assert (tmp_path / "p.html").read_text().count("<button") == 1


def test_no_page_is_written_where_nothing_can_be_read(predict, tmp_path):
    assert predict("--page=p.html", "missing.wav")[0] == 1
    assert not (tmp_path / "p.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name files, folders or tables"),
        (["--windo=2", "a.wav"], "did you mean --window"),
        (["--window=0", "a.wav"], "window=0.0"),
        (["--hop=1", "a.wav"], "hop=1.0: needs a window"),
        (["--track", "--window=2", "a.wav"], "takes no --window"),
        (["--output=a.txt", "a.wav"], "--output=a.txt: must end in .csv"),
        (["--predictor=no", "a.wav"], "no is not a predictor's folder"),
        (["--recognizer=no", "a.wav"], "no is not a recognizer's folder"),
        (["--config=folder", "--track"], "--track: is for files"),
        (
            [
                "--config=folder",
                "--window=1",
                "--config.corpus.window=1",
                "--config.corpus.hop=0.5",
            ],
            "config.corpus.hop=0.5: belongs to config.corpus.window; with --window give --hop",
        ),
        (["--page=p.html", "--track", "a.wav"], "--page: shows the track already"),
        (["--page=p.html", "--window=2", "a.wav"], "--page: gives every frame"),
        (["--page=p.pdf", "a.wav"], "--page=p.pdf: must end in .html"),
        (["--config=folder", "--page=p.html"], "--page: is for files"),
        (["--config=folder", "a.wav"], "unexpected argument 'a.wav'"),
        (["labels.csv"], "error: labels.csv: no such file or folder"),
        (["labels.parquet"], "error: labels.parquet: no such file or folder"),
        (["folder.html"], "error: folder.html: no audio file in it"),
        (["--output=s3://b/x.csv", "a.wav"], "--output=s3://b/x.csv: must be on a disk"),
        (["--page=s3://b/x.html", "a.wav"], "--page=s3://b/x.html: must be on a disk"),
        (["--config=folder", "--output=s3://b/x.csv"], "--output=s3://b/x.csv: must be on a disk"),
        (["--overrides=no.json", "a.wav"], "--overrides: works only on a corpus; leave it"),
        (["--merge", "a.wav"], "--merge: works only on a corpus; leave it out, or give"),
        (["--overwrite", "--output=folder.csv", "a.wav"], "--output=folder.csv: is a folder"),
        (["--overwrite", "--page=folder.html", "a.wav"], "--page=folder.html: is a folder"),
    ],
)
def test_mistakes_are_one_line(predict, tmp_path, arguments, message):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "folder.html").mkdir()
    status, shown, errors = predict(*arguments)
    assert status == 1 and not shown
    assert errors.startswith("error: ") and message in errors and len(errors.splitlines()) == 1


def corpus(speech, *more):
    return (
        "--config=table", f"--config.corpus.path={speech}/metadata.csv", "--workdir=run",
        "--config.workers=1", *more,
    )  # fmt: skip


def test_a_corpus_is_predicted_from_its_features(predict, speech, tmp_path):
    status, _, errors = predict(*corpus(speech))
    assert status == 0, errors
    table, _ = feature_tables.read(tmp_path / "run" / "predictions.parquet")
    labels = pd.read_parquet(tmp_path / "run" / "labels.parquet")
    assert table.index.equals(labels.index)
    predict("--output=files.parquet", *(speech / file for file in table.index))
    of_files, _ = feature_tables.read(tmp_path / "files.parquet")
    np.testing.assert_allclose(table.to_numpy(float), of_files.to_numpy(float), atol=1e-4)
    # goes on from what is there
    assert "kept, made from the same files" in predict(*corpus(speech))[1]


def test_shards_give_what_one_run_gives(predict, speech, tmp_path):
    windows = "--window=0.2", "--hop=0.1"
    assert predict(*corpus(speech, *windows))[0] == 0
    whole, _ = feature_tables.read(tmp_path / "run" / "predictions.parquet")
    parts = [arg.replace("=run", "=parts") for arg in corpus(speech, *windows)]
    for number in (1, 2):
        assert predict(*parts, f"--config.shard={number}/2")[0] == 0
    assert predict(*parts, "--merge")[0] == 0
    merged, _ = feature_tables.read(tmp_path / "parts" / "predictions.parquet")
    pd.testing.assert_frame_equal(merged, whole, atol=1e-4)
    assert whole.index.names == ["file", "start", "end"] and len(whole) > 60


def test_warnings_of_a_corpus_say_which_window_is_meant(predict, unlike, speech):
    status, _, errors = predict("--predictor=unlike", *corpus(speech, "--window=0.2"))
    assert status == 0 and ".wav from 0 s to 0.2 s, " in errors
    status, _, errors = predict(
        "--predictor=unlike", *corpus(speech, "--config.corpus.window=0", "--overwrite")
    )
    assert status == 0 and ".wav, " in errors and " s to " not in errors


def test_another_predictors_predictions_stay_unless_asked(
    predict, predictor, speech, small_recognizer, tmp_path
):
    assert predict(*corpus(speech))[0] == 0
    digest = emoasr.load_recognizer(small_recognizer).digest
    made_predictors.save(tmp_path / "other", digest, seed=1)
    other = "--predictor=other"
    status, _, errors = predict(other, *corpus(speech))
    assert status == 1 and "the predictor: there " in errors and "--overwrite" in errors
    assert predict(other, "--overwrite", *corpus(speech))[0] == 0


def test_speakers_that_were_fitted_on_are_named(predict, speech, tmp_path):
    (tmp_path / "labels.csv").write_text(f"file,speaker\n{speech}/00.wav,s1\n{speech}/01.wav,x\n")
    errors = predict("labels.csv")[2]
    assert "1 of 2 speakers are called like some that the predictor was fitted on (s1)" in errors


def test_eval_keeps_what_predicts_classes(predict, small_recognizer, speech, tmp_path, undrawn):
    labels = pd.read_csv(speech / "metadata.csv")
    labels["file"] = [str(speech / file) for file in labels["file"]]
    labels["mood"] = ["up", "<b>down</b>"] * (len(labels) // 2)
    labels.to_csv(tmp_path / "labels.csv", index=False)
    config = made_extraction.settings(speech, small_recognizer, feature_sets=("neural",))
    config.corpus.path = str(tmp_path / "labels.csv")
    config.eval.targets, config.eval.n_selected = ("mood",), 3
    extract.main(config, tmp_path / "e")
    emoasr_eval.main(config, tmp_path / "e")
    (kept,) = (tmp_path / "e").glob("eval/*/predictors/neural")
    card = (kept / "README.md").read_text()
    assert "| mood | " in card and "Classes: <b>down</b>, up." in card and "CCC" not in card
    status, shown, errors = predict(f"--predictor={kept}", "--output=a.json", speech / "00.wav")
    assert status == 0, errors
    (row,) = json.loads((tmp_path / "a.json").read_text())
    assert row["mood"] in ("up", "<b>down</b>")
    assert row["mood_up"] + row["mood_<b>down</b>"] == pytest.approx(1)
    status, shown, _ = predict(f"--predictor={kept}", speech / "00.wav")
    best = max(row["mood_up"], row["mood_<b>down</b>"])
    assert f"{row['mood']} {best:.0%}" in shown


def test_what_eval_keeps_predicts(predict, small_recognizer, speech, tmp_path, undrawn):
    config = made_extraction.settings(speech, small_recognizer, feature_sets=("neural", "mfcc"))
    config.eval.n_selected = 3
    extract.main(config, tmp_path / "e")
    emoasr_eval.main(config, tmp_path / "e")
    kept = tmp_path / "e" / "eval" / "linear-3" / "predictors"
    assert [path.name for path in kept.iterdir()] == ["neural"]
    assert "12 utterances of 4 speakers" in (kept / "neural" / "README.md").read_text()
    table, _ = feature_tables.read(tmp_path / "e" / "features" / "neural.parquet")
    predictor = emoasr.load_predictor(kept / "neural", small_recognizer)
    expected = predictor.model.predict(table.to_numpy(), table.index)
    status, _, errors = predict(
        f"--predictor={kept / 'neural'}", "--output=a.parquet", *(speech / f for f in table.index)
    )
    assert status == 0
    assert "12 of 12 inputs among the speech that the predictor was fitted on" in errors
    found, _ = feature_tables.read(tmp_path / "a.parquet")
    np.testing.assert_allclose(found.to_numpy(float), expected.to_numpy(float), atol=1e-4)
    of_results = json.loads((kept.parent / "results.json").read_text())["rows"]
    metrics = predictor.record.card["metrics"]
    for row in of_results:
        if row["feature_set"] == "neural":
            assert metrics[row["target"]]["ccc"][0] == row["ccc"]
