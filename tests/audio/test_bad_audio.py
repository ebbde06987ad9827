"""Each awkward input is extracted rightly or skipped with its reason; the others never notice."""

import csv
import json
import os
import tracemalloc
from collections import Counter
from functools import partial

import numpy as np
import pytest
import soundfile
import soxr
from awkward import BAD, CASES, EXACT, FORMS, NAMES, NFD, Case, sound, voice

import emoasr
from emoasr import config, extract
from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.audio import reading
from emoasr.errors import UserError, one_line
from emoasr.extraction import feature_tables

SETS = ("neural", "mfcc")


def made(folder, cases: list[Case]):
    for case in cases:
        path = folder / case.name
        path.parent.mkdir(parents=True, exist_ok=True)
        case.make(path)
    return folder


def extracted(kind: str, path, recognizer, workdir, **settings):
    """Tables by feature set, and what the run says of itself."""
    c = config.experiment(kind)
    c.corpus.update({"path": str(path)} | ({"root": ""} if kind == "table" else {}))
    c.update({"recognizer": str(recognizer), "feature_sets": SETS, "workers": 2, "buckets": 2})
    c.update(settings)
    extract.main(c, workdir)
    tables = {
        name: feature_tables.read(workdir / "features" / f"{name}.parquet")[0] for name in SETS
    }
    return tables, json.loads((workdir / "extract.json").read_text())


@pytest.fixture(scope="module")
def run(small_recognizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("awkward")
    return extracted("folder", made(folder, CASES), small_recognizer, folder / ".run")


def test_there_are_many_and_all_are_told_apart(run):
    tables, output = run
    assert len(CASES) == len({case.name for case in CASES}) >= 40
    assert output["found"] == len(CASES)
    assert output["used"] == len(tables["neural"]) == sum(case.skipped is None for case in CASES)
    assert max(Counter(s["file"] for s in output["skipped"]).values()) == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: one_line(case.name)[:40])
def test_it_is_extracted_rightly_or_skipped_with_its_reason(run, case):
    tables, output = run
    reasons = {s["file"]: s["reason"] for s in output["skipped"]}
    if case.skipped is not None:
        assert case.skipped in reasons[one_line(case.name)]
        assert case.name not in tables["neural"].index
        return
    assert one_line(case.name) not in reasons
    for table, most in zip(tables.values(), case.like or EXACT, strict=True):
        row = table.loc[case.name]
        assert np.isfinite(row).all()
        if case.like is not None:
            assert np.abs(row - table.loc["plain.wav"]).max() <= most


def test_reasons_are_one_line_each_and_name_the_file(run):
    for skipped in run[1]["skipped"]:
        assert skipped["reason"].isprintable()
        if skipped["step"] == "audio":
            assert f"/{one_line(skipped['file'])}: " in skipped["reason"]


def test_silence_is_warned_of(run):
    (warning,) = run[1]["warnings"]
    assert "silence.wav" in warning


def test_the_others_features_are_those_of_a_run_without_the_bad_ones(
    run, small_recognizer, tmp_path
):
    good = [case for case in FORMS + NAMES if case.skipped is None]
    tables, output = extracted("folder", made(tmp_path, good), small_recognizer, tmp_path / ".run")
    assert not output["skipped"] and output["used"] == len(good)
    for name, table in tables.items():
        together = run[0][name].loc[table.index]
        np.testing.assert_allclose(together, table, rtol=0, atol=1e-6, err_msg=name)


def test_a_table_finds_the_same_names_and_says_which_it_does_not(small_recognizer, tmp_path):
    there = [case.name for case in NAMES if case.name != NFD]
    made(tmp_path, [case for case in NAMES if case.name in there])
    missing = {
        NFD: "no such file; there is one whose name is the same in another Unicode normal form",
        "with  spaces.wav": "no such file",
        "x" * 300 + ".wav": "File name too long",
        "/".join(["x" * 200] * 25) + "/x.wav": "File name too long",
        "one/same.wav/x.wav": "no such file",
        "one": "is a folder",
        "/dev/null": "is a pipe or device",
        "zero\0byte.wav": "no such file",
    }
    with (tmp_path / "names.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(
            [("file", "speaker"), *((name, "s") for name in [*there, *missing])]
        )
    tables, output = extracted("table", tmp_path / "names.csv", small_recognizer, tmp_path / "run")
    assert sorted(tables["mfcc"].index) == sorted(there)
    assert np.ptp(tables["mfcc"].to_numpy(), axis=0).max() <= 1e-4
    reasons = {s["file"]: s["reason"] for s in output["skipped"]}
    if "zero" in reasons:  # pandas before 3.1 ends a text at its zero byte
        reasons["zero\0byte.wav"] = reasons.pop("zero")
    assert reasons.keys() == missing.keys()
    for name, why in missing.items():
        assert why in reasons[name]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads everything")
def test_what_its_user_may_not_read_is_told(small_recognizer, tmp_path):
    made(tmp_path, [FORMS[0], Case("closed/x.wav", sound()), Case("mine.wav", sound())])
    (tmp_path / "closed").chmod(0)
    (tmp_path / "mine.wav").chmod(0)
    _, output = extracted("folder", tmp_path, small_recognizer, tmp_path / ".run")
    (tmp_path / "closed").chmod(0o700)
    reasons = {s["file"]: s["reason"] for s in output["skipped"]}
    assert reasons.keys() == {"closed", "mine.wav"}
    assert all("Permission denied" in reason for reason in reasons.values())


def test_a_folder_of_nothing_usable_says_so(small_recognizer, tmp_path):
    (latin,) = (case for case in BAD if "not UTF-8" in str(case.skipped))
    with pytest.raises(UserError, match="no audio file in it.*not UTF-8") as error:
        extracted("folder", made(tmp_path, [latin]), small_recognizer, tmp_path / ".run")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("kind", ["wav", "aiff", "rf64", "flac"])
def test_a_segment_of_what_is_left_of_a_cut_file_is_right(tmp_path, kind):
    x = np.random.default_rng(0).normal(0, 0.1, 32000)
    whole, left = tmp_path / f"whole.{kind}", tmp_path / f"left.{kind}"
    soundfile.write(whole, x, 16000)
    left.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    early = reading.read(reading.Segment(left, 0.2, 0.9))
    np.testing.assert_array_equal(early, reading.read(reading.Segment(whole, 0.2, 0.9)))
    for start, end in ((0.0, None), (1.0, 1.9), (1.7, 1.9)):
        with pytest.raises(reading.AudioError, match="cut short|not audio"):
            reading.read(reading.Segment(left, start, end))


def test_samples_at_the_wanted_rate_are_bit_for_bit_what_the_resampler_gives():
    x = np.random.default_rng(0).normal(size=5000) * 10.0 ** np.linspace(-44, 1, 5000)
    x = np.concatenate([x, [0.0, -0.0, 1.0, -1.0]]).astype(np.float32)
    for wave in (x, x[::2], x[:1]):
        y = reading.resample(wave, 16000)
        assert y.tobytes() == soxr.resample(wave, 16000, 16000).tobytes()
        assert not np.shares_memory(wave, y)


def test_integers_that_were_only_called_floats_are_refused():
    x = 32768 * voice()
    with pytest.raises(reading.AudioError, match="samples reach 8907"):
        reading.resample(x, 16000)
    assert np.abs(reading.resample(x / 32768 * 100, 16000)).max() > 20  # loud, and as it was meant


def silence(path, hours: float):
    """At 8 kHz, as telephones have it."""
    path.parent.mkdir()
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for _ in range(round(60 * hours)):
            file.write(np.zeros(60 * 8000, np.int16))


@pytest.mark.slow
def test_hours_of_silence_take_little_memory(small_recognizer, tmp_path):
    """Counted are NumPy's arrays, which samples are from the file to the device: no allocator's
    habits, nor what the process held before, nor compilation, which a first run has done.
    """
    recognizer, short, long = (tmp_path / name for name in ("recognizer", "short", "long"))
    model = emoasr.load_recognizer(small_recognizer).model
    fast = FrontEndConfig(sample_rate=8000, hop_length=1024, n_mels=40)
    saved.save(recognizer, model, fast, {})
    silence(short / "silence.flac", 0.5)
    silence(long / "silence.flac", 3)
    listen = partial(extracted, "folder", recognizer=recognizer, batch_frames=4096)
    listen(short, workdir=tmp_path / "run-of-short")
    made(long, [Case("voice.wav", sound(8000))])
    tracemalloc.start()
    tables, output = listen(long, workdir=tmp_path / "run-of-long")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    copy = 4 * 3 * 3600 * 8000  # bytes of all samples, 0.35 GB
    assert peak < copy / 2, f"{peak / 1e6:.0f} MB"
    assert "silence.flac" in output["warnings"][0]
    for table in tables.values():
        assert np.isfinite(table).all(axis=None)
    assert output["hours_of_audio"] == pytest.approx(3, abs=0.01)
