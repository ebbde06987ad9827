import shutil
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import soundfile
from flax import nnx
from made_extraction import record, settings

import emoasr
from emoasr import extract as command
from emoasr.asr import frontend, saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.networks.gated import GatedConvNet, ModelConfig
from emoasr.asr.saved import weights
from emoasr.errors import AudioError, UserError
from emoasr.extraction import feature_tables, untrained
from emoasr.inference import bucketing, runner


def test_tables_labels_and_record(speech, small_recognizer, tmp_path):
    command.main(settings(speech, small_recognizer), tmp_path)
    for name, width in (("neural", 16), ("random", 16), ("mfcc", 40)):
        table, metadata = feature_tables.read(tmp_path / "features" / f"{name}.parquet")
        assert table.shape == (12, width)
        assert np.isfinite(table.to_numpy()).all()
        assert metadata["feature_set"] == name and metadata["version"]
    assert table.index.equals(pd.read_parquet(tmp_path / "labels.parquet").index)
    output = record(tmp_path)
    assert (output["found"], output["used"], output["skipped"]) == (12, 12, [])
    assert output["computed"]["neural"]["compilations"] <= 8
    assert output["computed"]["neural"]["batch_frames"] == 8192
    assert output["computed"]["neural"]["platform"] == "cpu"


@pytest.mark.parametrize("verbose", [False, True])
def test_it_names_a_few_skipped_files_and_details_only_if_asked(
    speech, small_recognizer, tmp_path, capsys, verbose
):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    shutil.copy(speech / "00.wav", corpus)
    (corpus / "bad.wav").write_bytes(b"RIFF")
    arguments = [
        "--config=folder", f"--config.corpus.path={corpus}", "--config.feature_sets=neural",
        f"--config.recognizer={small_recognizer}", f"--workdir={tmp_path / 'w'}",
        *(["--verbose"] if verbose else []),
    ]  # fmt: skip
    assert command.command(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    (skipped,) = [line for line in lines if line.startswith("  1 x ")]
    assert skipped.endswith(": bad.wav")
    assert any(": 1 compilation, padding" in line for line in lines) == verbose
    assert any(" minutes of audio in " in line for line in lines)


def test_plain_pandas_reads_a_table(speech, small_recognizer, tmp_path):
    command.main(settings(speech, small_recognizer, feature_sets=("neural",)), tmp_path)
    table = pd.read_parquet(tmp_path / "features" / "neural.parquet")
    assert table.index.name == "file" and table.columns[0] == "layer00.unit000"


def test_means_and_deviations_side_by_side(speech, small_recognizer, tmp_path):
    sets = ("neural", "random")
    c = settings(speech, small_recognizer, feature_sets=sets, pooling="mean+std")
    command.main(c, tmp_path)
    recognizer = emoasr.load_recognizer(small_recognizer)
    for name in sets:
        table, metadata = feature_tables.read(tmp_path / "features" / f"{name}.parquet")
        assert metadata["pooling"] == "mean+std"
        files = [str(speech / file) for file in table.index]
        expected = recognizer.features(files, pooling="mean+std")
        assert list(table) == list(expected)
        if name == "neural":
            np.testing.assert_allclose(table, expected, atol=1e-5)


@pytest.mark.parametrize(("batch_frames", "buckets"), [(60, 1), (60, 8), (500, 3)])
def test_batch_size_and_buckets_change_nothing(
    speech, small_recognizer, tmp_path, batch_frames, buckets
):
    command.main(settings(speech, small_recognizer), tmp_path / "a")
    other = settings(speech, small_recognizer, batch_frames=batch_frames, buckets=buckets)
    command.main(other, tmp_path / "b")
    for name in ("neural", "mfcc"):
        a, b = (
            feature_tables.read(tmp_path / run / "features" / f"{name}.parquet")[0]
            for run in ("a", "b")
        )
        pd.testing.assert_frame_equal(a, b, atol=1e-5, rtol=1e-5)


def test_a_long_file_is_heard_in_pieces_with_the_same_result(speech, small_recognizer, tmp_path):
    folder = shutil.copytree(speech, tmp_path / "speech")
    y, _ = soundfile.read(folder / "00.wav")
    soundfile.write(folder / "00.wav", np.tile(y, 135 * 22050 // len(y)), 22050, subtype="FLOAT")
    for name, batch_frames in (("whole", 8000), ("pieces", 300)):
        c = settings(folder, small_recognizer, batch_frames=batch_frames)
        command.main(c, tmp_path / name)
        assert record(tmp_path / name)["used"] == 12
    for name, atol in (("neural", 1e-5), ("random", 1e-4), ("mfcc", 1e-3)):
        whole, pieces = (
            feature_tables.read(tmp_path / run / "features" / f"{name}.parquet")[0]
            for run in ("whole", "pieces")
        )
        pd.testing.assert_frame_equal(whole, pieces, atol=atol, rtol=1e-4)


def test_the_type_of_factors_is_part_of_a_tables_provenance(speech, small_recognizer, tmp_path):
    exact = settings(speech, small_recognizer, feature_sets=("neural",))
    command.main(exact, tmp_path)
    before, metadata = feature_tables.read(tmp_path / "features" / "neural.parquet")
    assert metadata["compute_dtype"] == "float32"
    command.main(
        settings(speech, small_recognizer, feature_sets=("neural",), compute_dtype="bfloat16"),
        tmp_path,
        overwrite=True,
    )
    after, metadata = feature_tables.read(tmp_path / "features" / "neural.parquet")
    assert metadata["compute_dtype"] == "bfloat16"
    assert 0 < np.abs(after - before).to_numpy().max() < 0.05


def test_bad_files_are_skipped_with_reasons_and_the_rest_goes_on(
    speech, small_recognizer, tmp_path
):
    folder = shutil.copytree(speech, tmp_path / "speech")
    (folder / "00.wav").write_bytes(b"")
    (folder / "01.wav").unlink()
    (folder / "02.wav").write_bytes(b"this is no audio")
    soundfile.write(folder / "03.wav", np.full(9000, np.nan), 16000, subtype="FLOAT")
    soundfile.write(folder / "04.wav", np.zeros(9000), 16000)
    command.main(settings(folder, small_recognizer), tmp_path)
    table, metadata = feature_tables.read(tmp_path / "features" / "neural.parquet")
    assert len(table) == 8 and np.isfinite(table.to_numpy()).all()
    output = record(tmp_path)
    assert (output["found"], output["used"]) == (12, 8)
    assert sorted(s["file"] for s in output["skipped"]) == ["00.wav", "01.wav", "02.wav", "03.wav"]
    assert all(s["reason"] for s in output["skipped"])
    assert metadata["skipped"] == output["skipped"]
    assert "04.wav" in " ".join(output["warnings"])


def test_the_good_files_features_do_not_depend_on_the_bad_ones(speech, small_recognizer, tmp_path):
    folder = shutil.copytree(speech, tmp_path / "speech")
    (folder / "05.wav").write_bytes(b"")
    for source, run in ((speech, "a"), (folder, "b")):
        command.main(settings(source, small_recognizer, feature_sets=("neural",)), tmp_path / run)
    a, b = (
        feature_tables.read(tmp_path / run / "features" / "neural.parquet")[0] for run in ("a", "b")
    )
    pd.testing.assert_frame_equal(a.drop(index="05.wav"), b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "runs", [("egemaps", "mfcc"), ("mfcc", "egemaps"), ("egemaps", "neural", "mfcc")], ids="+".join
)
def test_an_unreadable_file_counts_once_in_whatever_order_sets_are_added(
    speech, small_recognizer, tmp_path, runs
):
    folder = shutil.copytree(speech, tmp_path / "speech")
    (folder / "00.wav").write_bytes(b"RIFF")
    rng = np.random.default_rng(0)
    soundfile.write(folder / "01.wav", 0.1 * rng.normal(size=400), 16000)  # too short for eGeMAPS
    for n in range(len(runs)):
        asked = settings(folder, small_recognizer, feature_sets=runs[: n + 1])
        command.main(asked, tmp_path / "run")
    output = record(tmp_path / "run")
    assert sorted(s["file"] for s in output["skipped"]) == ["00.wav", "01.wav"]
    assert (output["found"], output["used"]) == (12, 10)


_LOST = [
    ("missing", "mfcc"),
    ("missing", "egemaps"),
    ("broken", "egemaps"),
    ("too short", "egemaps"),
]


@pytest.mark.parametrize(("what", "sets"), [*_LOST, *((w, f"mfcc,{s}") for w, s in _LOST[1:])])
def test_nothing_readable_is_an_error_and_a_finished_table_stays(
    small_recognizer, tmp_path, what, sets
):
    rng, file = np.random.default_rng(0), tmp_path / "only.wav"
    soundfile.write(file, 0.1 * rng.normal(size=9000), 16000)
    (tmp_path / "metadata.csv").write_text("file\nonly.wav\n")
    asked = settings(tmp_path, small_recognizer, feature_sets=tuple(sets.split(",")))
    command.main(asked, tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run/features").iterdir()}
    file.unlink()
    if what == "broken":
        file.write_bytes(b"RIFF")
    elif what == "too short":
        soundfile.write(file, 0.1 * rng.normal(size=400), 16000)
    for run in ("run", "fresh"):
        with pytest.raises(UserError, match=r"^no utterance of metadata .*only\.wav"):
            command.main(asked, tmp_path / run)
    assert before == {path: path.read_bytes() for path in (tmp_path / "run/features").iterdir()}
    assert not list((tmp_path / "fresh/features").iterdir())


def test_a_finished_table_is_kept_and_a_changed_setting_makes_it_anew(
    speech, small_recognizer, tmp_path, capsys
):
    def modified():
        folder = tmp_path / "features"
        return {p.stem: p.stat().st_mtime_ns for p in folder.glob("*.parquet")}

    command.main(settings(speech, small_recognizer), tmp_path)
    first = modified()
    command.main(settings(speech, small_recognizer), tmp_path)
    assert modified() == first
    assert "kept" in capsys.readouterr().out
    command.main(settings(speech, small_recognizer, tap="skip"), tmp_path, overwrite=True)
    second = modified()
    assert second["mfcc"] == first["mfcc"]
    assert second["neural"] != first["neural"] and second["random"] != first["random"]


def test_skipped_utterances_of_a_kept_table_are_told_again(speech, small_recognizer, tmp_path):
    folder = shutil.copytree(speech, tmp_path / "speech")
    (folder / "00.wav").write_bytes(b"")
    for _ in range(2):
        command.main(settings(folder, small_recognizer), tmp_path)
        assert [s["file"] for s in record(tmp_path)["skipped"]] == ["00.wav"]


def test_a_recognizer_of_another_size_makes_the_untrained_control_anew(
    speech, small_recognizer, tmp_path
):
    command.main(settings(speech, small_recognizer), tmp_path / "run")
    other = tmp_path / "other"
    larger = GatedConvNet(ModelConfig(n_channels=9, n_blocks=1, dilations=(1,)), rngs=nnx.Rngs(0))
    saved.save(other, larger, FrontEndConfig(), {})
    command.main(settings(speech, other), tmp_path / "run", overwrite=True)
    table, _ = feature_tables.read(tmp_path / "run" / "features" / "random.parquet")
    assert table.shape == (12, 9)


def test_a_kept_tables_warnings_are_told_again(speech, small_recognizer, tmp_path):
    folder = shutil.copytree(speech, tmp_path / "speech")
    soundfile.write(folder / "04.wav", np.zeros(9000), 16000)
    for _ in range(2):
        command.main(settings(folder, small_recognizer), tmp_path)
        (warning,) = record(tmp_path)["warnings"]
        assert "04.wav" in warning


def test_the_untrained_control_follows_from_its_seed(speech, small_recognizer, tmp_path):
    tables = []
    for run, seed in (("a", 0), ("b", 0), ("c", 1)):
        changes = {"feature_sets": ("random",), "seed": seed}
        command.main(settings(speech, small_recognizer, **changes), tmp_path / run)
        tables.append(feature_tables.read(tmp_path / run / "features" / "random.parquet")[0])
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not np.allclose(tables[0], tables[2])


def test_the_untrained_controls_batch_norms_have_seen_the_corpus():
    """Raw MFCCs would drive every unit of the first layer to the ends of its range."""
    random = np.random.default_rng(0)
    waves = [np.float32(random.normal(size=n)) for n in (9000, 20000, 16384)]
    network = untrained.untrained(ModelConfig(n_channels=8, n_blocks=1), FrontEndConfig(), waves, 0)
    mfcc = frontend.mfcc(*bucketing.pad(waves, 3, 20480), FrontEndConfig())
    heard = network(*mfcc)
    as_in_training = network(*mfcc, dropout_key=jax.random.key(0))
    for a, b in zip(heard.taps["gate"], as_in_training.taps["gate"], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    dropping = ModelConfig(n_channels=8, n_blocks=1, dropout=0.5)  # in training, never here
    again = weights(untrained.untrained(dropping, FrontEndConfig(), waves, 0))
    for name, value in weights(network).items():
        np.testing.assert_allclose(again[name], value, rtol=1e-4, err_msg=name)


def test_every_seed_is_a_control_of_its_own(speech, small_recognizer, tmp_path):
    sets = ("random", "random-0", "random-7", "random-12")
    command.main(settings(speech, small_recognizer, feature_sets=sets, seed=7), tmp_path)
    read = {name: feature_tables.read(tmp_path / "features" / f"{name}.parquet") for name in sets}
    tables = {name: table.to_numpy() for name, (table, _) in read.items()}
    np.testing.assert_array_equal(tables["random"], tables["random-7"])
    for name in ("random-0", "random-12"):
        assert not np.allclose(tables["random-7"], tables[name], atol=1e-2)
    output = [metadata["recognizer"] for _, metadata in read.values()]
    assert output == [f"untrained, seed {seed}" for seed in (7, 0, 7, 12)]


def test_the_seed_of_the_configuration_is_that_of_the_plain_control_alone(
    speech, small_recognizer, tmp_path, capsys
):
    for seed, sets in ((0, ("random", "random-3")), (1, ("random", "random-3", "random-4"))):
        c = settings(speech, small_recognizer, feature_sets=sets, seed=seed)
        command.main(c, tmp_path, overwrite=True)
    kept = [line for line in capsys.readouterr().out.splitlines() if "kept" in line]
    assert len(kept) == 1 and "random-3.parquet" in kept[0]


def test_more_seeds_compile_nothing_more(speech, small_recognizer, tmp_path):
    sets = ("neural", "random")
    command.main(settings(speech, small_recognizer, feature_sets=sets), tmp_path / "a")
    folder = Path(jax.config.jax_compilation_cache_dir)
    before = set(folder.iterdir())
    sets = ("neural", "random-1", "random-2", "random-3", "random-4")
    command.main(settings(speech, small_recognizer, feature_sets=sets), tmp_path / "b")
    assert before and {p for p in folder.iterdir() if p.name.endswith("-cache")} <= before


def test_external_tables_are_left_to_eval(speech, small_recognizer, tmp_path, capsys):
    sets = ("mfcc", "~/whisper.CSV", "not yet/wav2vec2.parquet")
    command.main(settings(speech, small_recognizer, feature_sets=sets), tmp_path)
    printed = capsys.readouterr().out
    for external in sets[1:]:
        assert f"{external}: an external table, left to emoasr.eval\n" in printed
    assert [path.name for path in (tmp_path / "features").iterdir()] == ["mfcc.parquet"]
    assert record(tmp_path)["config"]["feature_sets"] == list(sets)


def test_with_external_tables_alone_the_labels_are_written(speech, small_recognizer, tmp_path):
    command.main(settings(speech, small_recognizer, feature_sets=("x.csv",)), tmp_path)
    assert len(pd.read_parquet(tmp_path / "labels.parquet")) == record(tmp_path)["used"] == 12


def test_a_corpus_that_is_all_noise_to_the_reader_ends_in_one_line(small_recognizer, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(9000, np.nan), 16000, subtype="FLOAT")
    (tmp_path / "metadata.csv").write_text("file\na.wav\n")
    with pytest.raises(UserError, match="no utterance of metadata could be read; .*a.wav"):
        command.main(settings(tmp_path, small_recognizer), tmp_path / "run")


def test_a_recognizer_at_another_rate_hears_the_corpus_at_it(speech, small_recognizer, tmp_path):
    model = emoasr.load_recognizer(small_recognizer).model
    recognizer = tmp_path / "recognizer"
    saved.save(recognizer, model, FrontEndConfig(sample_rate=22050), {})
    settled = settings(speech, recognizer, feature_sets=("neural", "egemaps"))
    command.main(settled, tmp_path)
    tables = {
        s: feature_tables.read(tmp_path / f"features/{s}.parquet")[0] for s in settled.feature_sets
    }
    files = [str(speech / file) for file in tables["neural"].index]
    expected = emoasr.load_recognizer(recognizer).features(files)
    np.testing.assert_allclose(tables["neural"].to_numpy(), expected.to_numpy(), atol=1e-5)
    command.main(settings(speech, small_recognizer, feature_sets=("egemaps",)), tmp_path / "b")
    pd.testing.assert_frame_equal(
        tables["egemaps"], feature_tables.read(tmp_path / "b/features/egemaps.parquet")[0]
    )
    seconds = sum(soundfile.info(file).duration for file in files)
    assert record(tmp_path)["hours_of_audio"] == pytest.approx(seconds / 3600, abs=1e-4)


def test_unknown_choices_are_named(speech, small_recognizer, tmp_path):
    sets = [("feature_sets", (x,)) for x in ("x", "random-", "random-01", "random--1", "csv")]
    for field, value in (("tap", "x"), ("pooling", "x"), *sets):
        with pytest.raises(UserError, match=f"config.{field}"):
            command.main(settings(speech, small_recognizer, **{field: value}), tmp_path)


def test_a_batch_of_which_nothing_can_be_decoded(speech, small_recognizer, tmp_path, monkeypatch):
    decode = runner.decode

    def failing(source, i, longest):
        if i == 3:
            raise AudioError("03.wav: damaged")
        return decode(source, i, longest)

    monkeypatch.setattr(runner, "decode", failing)
    c = settings(speech, small_recognizer, batch_frames=1, feature_sets=("neural", "mfcc"))
    command.main(c, tmp_path)
    assert record(tmp_path)["used"] == 11
    assert [s["reason"] for s in record(tmp_path)["skipped"]] == ["03.wav: damaged"]
