"""A workdir belongs to one run: another's is refused, its own is brought up to date."""

import collections
import os
import shutil

import ml_collections
import numpy as np
import pandas as pd
import pytest
import soundfile
from made_extraction import assert_same, record, settings, tables

from emoasr import eval as emoasr_eval
from emoasr import extract
from emoasr.asr import saved
from emoasr.corpora import table
from emoasr.errors import UserError
from emoasr.extraction import passes, provenance, run_summary
from emoasr.files.run_lock import run_lock
from emoasr.recognizer import load_recognizer

SETS = ("neural", "random", "mfcc")


@pytest.fixture
def folder(speech, tmp_path):
    """A copy of the speech, with times of their own."""
    return shutil.copytree(speech, tmp_path / "speech")


@pytest.fixture
def run(folder, small_recognizer, tmp_path):
    """Extracts into `tmp_path / name`."""

    def extracted(name="run", overwrite=False, **changes):
        c = settings(folder, small_recognizer)
        c.update(changes)
        extract.main(c, tmp_path / name, overwrite)
        return tmp_path / name

    return extracted


@pytest.fixture
def nothing_computed(monkeypatch):
    def fail(*_):
        raise AssertionError("computed")

    monkeypatch.setattr(passes, "device_pass", fail)
    monkeypatch.setattr(passes, "egemaps_pass", fail)


@pytest.fixture
def other_recognizer(small_recognizer, tmp_path):
    old = load_recognizer(small_recognizer)
    kernel = old.model.layers[0].out.conv.kernel
    kernel[...] = kernel[...] * 1.5
    saved.save(tmp_path / "other", old.model, old.config.frontend, {})
    return tmp_path / "other"


def content(workdir):
    return {p: p.read_bytes() for p in sorted(workdir.rglob("*")) if p.is_file()}


def differing(name, folder, other_recognizer):
    """Settings of another run than the plain one, and what names the difference."""
    copied = folder.parent / "copied"
    shutil.copytree(folder, copied)  # the same names, sizes and times
    shutil.copy(folder / "metadata.csv", folder / "again.csv")
    there = {"kind": "table", "root": ""}
    return {
        "path": ({"corpus": {**there, "path": str(copied / "metadata.csv")}}, "config.corpus.path"),
        "labels": ({"corpus": {**there, "path": str(folder / "again.csv")}}, "config.corpus.path"),
        "root": (
            {"corpus": {"path": str(folder / "metadata.csv"), "root": str(copied)}},
            "config.corpus.root",
        ),
        "kind": ({"corpus": {"kind": "folder", "path": str(folder)}}, "config.corpus.kind"),
        "tap": ({"tap": "skip"}, "config.tap: there 'gate', now 'skip'"),
        "pooling": ({"pooling": "max"}, "config.pooling: there 'mean', now 'max'"),
        "dtype": ({"compute_dtype": "bfloat16"}, "config.compute_dtype: there 'float32', now"),
        "seed": ({"seed": 3}, "recognizer: there 'untrained, seed 0', now 'untrained, seed 3'"),
        "recognizer": ({"recognizer": str(other_recognizer)}, "recognizer: there '[0-9a-f]+', now"),
    }[name]


@pytest.mark.parametrize("sets", [SETS, ()], ids=["the same sets", "external tables alone"])
@pytest.mark.parametrize(
    "name", ["path", "labels", "root", "kind", "tap", "pooling", "dtype", "seed", "recognizer"]
)
def test_another_run_is_refused_before_anything_is_computed(
    run, folder, other_recognizer, request, name, sets
):
    workdir = run()
    before = content(workdir)
    changes, words = differing(name, folder, other_recognizer)
    request.getfixturevalue("nothing_computed")
    asked = {"feature_sets": sets or ("x.csv",)} | changes
    with pytest.raises(UserError, match=f"holds a run made from metadata.*{words}.*over"):
        run(**asked)
    assert content(workdir) == before


@pytest.mark.parametrize("name", ["path", "labels", "tap", "recognizer"])
def test_overwritten_nothing_of_the_other_run_is_left(run, folder, other_recognizer, capsys, name):
    run(feature_sets=(*SETS, "random-5"))
    changes, _ = differing(name, folder, other_recognizer)
    workdir, fresh = run(overwrite=True, **changes), run("fresh", **changes)
    left = {"random-5"} if name == "recognizer" else set()  # made from sizes, which are the same
    there = {path.stem for path in (workdir / "features").iterdir()}
    assert there == set(SETS) | left
    assert left or "random-5.parquet: removed" in capsys.readouterr().out
    if name != "labels":
        assert_same(tables(workdir), tables(fresh))
    assert record(workdir)["tables"].keys() == there
    labels = [pd.read_parquet(w / "labels.parquet") for w in (workdir, fresh)]
    pd.testing.assert_frame_equal(*labels)


@pytest.mark.parametrize(
    "changes", [{"batch_frames": 60}, {"buckets": 1}, {"workers": 2}, {"ray": {"actors": 3}}]
)
def test_settings_of_speed_make_no_other_run(run, request, changes):
    run()
    request.getfixturevalue("nothing_computed")
    assert record(run(**changes))["used"] == 12


def test_sets_are_added_and_all_stay_of_the_same_files(run, folder):
    workdir = run(feature_sets=("neural",))
    run(feature_sets=("mfcc",))
    assert record(workdir)["config"]["feature_sets"] == ["mfcc", "neural"]
    assert record(workdir)["tables"].keys() == {"mfcc", "neural"}
    soundfile.write(folder / "03.wav", 0.1 * np.random.default_rng(1).normal(size=9000), 16000)
    with (folder / "metadata.csv").open("a") as file:
        shutil.copy(folder / "05.wav", folder / "12.wav")
        file.write("12.wav,x,0,3,3,train,a\n")
    run(feature_sets=("mfcc", "x.csv"))
    fresh = run("fresh", feature_sets=("neural", "mfcc"))
    assert_same(*(tables(w, ("neural", "mfcc")) for w in (workdir, fresh)), atol=1e-5)
    assert len(pd.read_parquet(workdir / "labels.parquet")) == record(workdir)["used"] == 13
    run(feature_sets=("x.csv",))
    assert record(workdir)["tables"].keys() == {"mfcc", "neural"}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("at", ["run/features/mfcc.parquet", "other/mfcc.parquet", "mfcc.csv"])
@pytest.mark.parametrize("shard", ["", "1/1", "new"])
def test_no_external_table_takes_the_name_of_a_finished_one(
    run, tmp_path, request, shard, at, overwrite
):
    workdir = run(feature_sets=("mfcc",), shard=shard.replace("new", ""))
    before = content(workdir)
    request.getfixturevalue("nothing_computed")
    at = at.replace("run", "run/shards/1-of-1") if shard == "1/1" else at
    remedy = "give its name, mfcc" if at.startswith("run") else "rename the file"
    sets, shard = ("random", str(tmp_path / at)), shard.replace("new", "1/2")
    with pytest.raises(UserError, match=f"mfcc.parquet is a table of this run, .*; {remedy}"):
        run(feature_sets=sets, shard=shard, overwrite=overwrite)
    assert content(workdir) == before


def _by_pandas(folder, workdir, name):
    pd.read_csv(folder / "metadata.csv").to_parquet(workdir / name)
    return {}


def _as_the_corpus(folder, workdir, name):
    _by_pandas(folder, workdir, name)
    return {"corpus": {"path": str(workdir / name), "root": str(folder)}}


def _labels_of_extract_as_the_corpus(folder, workdir, name):
    (workdir / "labels.parquet").rename(workdir / name)
    return {"corpus": {"path": str(workdir / name), "root": str(folder)}}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("shard", ["", "1/2"])
@pytest.mark.parametrize(
    ("made", "name", "words"),
    [
        (_by_pandas, "labels.parquet", "labels.parquet: was not made by extract"),
        (_by_pandas, "features/mfcc.parquet", "mfcc.parquet: was not made by extract"),
        (_by_pandas, "features/random-4.parquet", "random-4.parquet: was not made by extract"),
        (_as_the_corpus, "labels.parquet", "config.corpus.path=.*labels.parquet: this run's own"),
        (_labels_of_extract_as_the_corpus, "labels.parquet", "config.corpus.path=.*this run's own"),
    ],
)
def test_no_table_of_the_users_own_is_replaced(
    run, folder, request, shard, overwrite, made, name, words
):
    workdir = folder.parent / "run"
    if made is _labels_of_extract_as_the_corpus:
        run(feature_sets=("mfcc",))
    (workdir / "features").mkdir(parents=True, exist_ok=True)
    changes = made(folder, workdir, name)
    request.getfixturevalue("nothing_computed")
    before = content(workdir)
    with pytest.raises(UserError, match=words):
        run(overwrite=overwrite, feature_sets=("mfcc",), shard=shard, **changes)
    assert content(workdir) == before


def test_a_run_that_is_refused_opens_no_corpus(run, folder, monkeypatch):
    run(feature_sets=("mfcc",))

    def opened(*_):
        raise AssertionError("opened: the demo's would be spoken anew")

    monkeypatch.setattr(table, "load", opened)
    shutil.copy(folder / "metadata.csv", folder / "again.csv")
    for shard in ("", "1/2"):
        with pytest.raises(UserError, match="holds a run made from metadata"):
            run(shard=shard, corpus={"path": str(folder / "again.csv")})


def test_changed_ratings_are_taken_up(run, folder):
    workdir = run(feature_sets=("mfcc",))
    text = (folder / "metadata.csv").read_text()
    (folder / "metadata.csv").write_text(text.replace("00.wav,train/0,0,1,", "00.wav,train/0,0,5,"))
    run(feature_sets=("mfcc",))
    assert pd.read_parquet(workdir / "labels.parquet")["arousal"].iloc[0] == 5


def test_eval_refuses_labels_of_an_extraction_that_was_stopped(
    run, folder, small_recognizer, monkeypatch
):
    workdir = run(feature_sets=("mfcc",))
    text = (folder / "metadata.csv").read_text()
    (folder / "metadata.csv").write_text(text.replace("00.wav,train/0,0,1,", "00.wav,train/0,0,5,"))

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_summary, "write_atomically", stopped)  # between labels and summary
    with pytest.raises(KeyboardInterrupt):
        run(feature_sets=("mfcc",))
    with pytest.raises(UserError, match=r"labels.parquet: is of another .*run emoasr.extract ag"):
        emoasr_eval.main(settings(folder, small_recognizer, feature_sets=("mfcc",)), workdir)


def test_two_folders_with_the_same_names_sizes_and_times_are_two(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copied")
    (tmp_path / "link").symlink_to(folder)

    def fingerprints(root):
        frame = pd.DataFrame({"file": ["00.wav", "01.wav"]})
        return table.build(frame, "x", root, root / "x").fingerprints()

    here, there = fingerprints(folder), fingerprints(tmp_path / "copied")
    assert not {*here} & {*there}
    assert here == fingerprints(tmp_path / "link")


# Rows of other devices and libraries


@pytest.fixture
def elsewhere(monkeypatch):
    """What follows is as on another kind of device, or with another library."""

    def change(**fields):
        here = provenance.environment

        def there(name, platform=None):
            return here(name, platform) | fields

        monkeypatch.setattr(provenance, "environment", there)

    return change


@pytest.mark.parametrize("other", [{"platform": "gpu"}, {"jax": "0.1"}])
def test_rows_of_another_device_or_library_do_not_mix(run, folder, elsewhere, capsys, other):
    workdir = run(feature_sets=("mfcc",))
    elsewhere(**other)
    run(feature_sets=("mfcc",))
    assert "mfcc.parquet: kept" in capsys.readouterr().out  # all of its rows are of one kind
    os.utime(folder / "05.wav", (0, 0))
    run(feature_sets=("mfcc",))
    printed = capsys.readouterr().out
    assert "rows are there already" not in printed and "all rows are made anew" in printed
    (_, metadata) = tables(workdir, ("mfcc",))["mfcc"]
    assert other.items() <= metadata["environment"].items()


# Shards


@pytest.fixture
def shard(run):
    def extracted(number, **changes):
        return run(shard=f"{number}/2", **changes)

    return extracted


def merged(folder, recognizer, workdir, **changes):
    extract.merge(settings(folder, recognizer, **changes), workdir)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tap": "skip"}, "config.tap is 'skip', not 'gate'"),
        ({"pooling": "max"}, "config.pooling is 'max', not 'mean'"),
        ({"compute_dtype": "bfloat16"}, "config.compute_dtype is 'bfloat16', not 'float32'"),
        ({"seed": 3}, "recognizer is 'untrained, seed 3', not 'untrained, seed 0'"),
    ],
)
def test_what_the_tables_say_counts_and_not_the_summaries(
    shard, folder, small_recognizer, monkeypatch, changes, words
):
    """Shards run again with other settings, stopped after their tables were written."""
    for number in (1, 2):
        workdir = shard(number, feature_sets=("neural", "random"))

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_summary, "finish", stopped)
        for number in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                shard(number, feature_sets=("neural", "random"), overwrite=True, **changes)
    with pytest.raises(UserError, match=f"1-of-2: (neural|random): its {words}; run .*=1/2 again"):
        merged(folder, small_recognizer, workdir, feature_sets=("neural", "random"))
    assert not (workdir / "features").exists()
    merged(folder, small_recognizer, workdir, feature_sets=("neural", "random"), **changes)
    for _, metadata in tables(workdir, ("neural", "random")).values():
        how = {k: v for k, v in changes.items() if k != "seed"}
        assert how.items() <= metadata.items()


def test_a_changed_file_of_those_that_fit_the_untrained_control(shard, folder, small_recognizer):
    """It lies in one shard, and the rows of both change: neither keeps what the other has not."""
    for number in (1, 2):
        workdir = shard(number, feature_sets=("random",))
    soundfile.write(folder / "03.wav", 0.1 * np.random.default_rng(1).normal(size=9000), 16000)
    for number in (2, 1):
        shard(number, feature_sets=("random",))
    merged(folder, small_recognizer, workdir, feature_sets=("random",))
    fresh = workdir.parent / "fresh"
    extract.main(settings(folder, small_recognizer, feature_sets=("random",)), fresh)
    assert_same(*(tables(w, ("random",)) for w in (workdir, fresh)), atol=1e-5)


def test_merge_waits_for_no_shard_and_takes_none_that_is_at_work(shard, folder, small_recognizer):
    for number in (1, 2):
        workdir = shard(number, feature_sets=("mfcc",))
    busy = pytest.raises(UserError, match="running there as shard-2-of-2")
    with run_lock(workdir, "shard-2-of-2"), busy:
        merged(folder, small_recognizer, workdir, feature_sets=("mfcc",))
    merged(folder, small_recognizer, workdir, feature_sets=("mfcc",))


def test_a_shard_of_another_run_is_refused_before_it_computes(shard, request):
    shard(1, feature_sets=("neural",))
    request.getfixturevalue("nothing_computed")
    with pytest.raises(UserError, match="shards/1-of-2: holds a run .*config.tap"):
        shard(2, feature_sets=("neural",), tap="skip")


def test_shards_of_different_devices_are_not_joined(shard, folder, small_recognizer, elsewhere):
    shard(1, feature_sets=("mfcc",))
    elsewhere(platform="gpu")
    workdir = shard(2, feature_sets=("mfcc",))
    with pytest.raises(UserError, match=r"2-of-2/features/mfcc.parquet: was made with .*'gpu'"):
        merged(folder, small_recognizer, workdir, feature_sets=("mfcc",))


def test_shards_whose_sets_are_not_all_joined_are_not_said_to_be_needless(
    shard, folder, small_recognizer, capsys
):
    shard(1, feature_sets=("mfcc", "neural"))
    workdir = shard(2, feature_sets=("mfcc", "neural"))
    for sets, said in {
        ("mfcc",): "joined, but for neural; to join these too, name them in --config.feature_sets",
        ("neural",): "joined; it can be removed",  # mfcc is there by now
    }.items():
        capsys.readouterr()
        merged(folder, small_recognizer, workdir, feature_sets=sets)
        assert f"{workdir / 'shards'}: {said}\n" in capsys.readouterr().out
    assert record(workdir)["tables"].keys() == {"mfcc", "neural"}


def test_the_remedy_for_lost_keys_of_a_shard_is_one(shard, folder, small_recognizer, tmp_path):
    shard(1, feature_sets=("mfcc",))
    workdir = shard(2, feature_sets=("mfcc",))
    shutil.rmtree(workdir / "shards/2-of-2/.rows")
    table = workdir / "shards/2-of-2/features/mfcc.parquet"
    shard(2, feature_sets=("mfcc",))  # keeps the table
    with pytest.raises(UserError, match=f"keys of .* are gone; remove {table} and run that shard"):
        merged(folder, small_recognizer, workdir, feature_sets=("mfcc",))
    table.unlink()
    shard(2, feature_sets=("mfcc",))
    merged(folder, small_recognizer, workdir, feature_sets=("mfcc",))


def test_shards_join_a_finished_run_of_other_sets(run, shard, folder, small_recognizer):
    workdir = run(feature_sets=("mfcc",))
    for number in (1, 2):
        shard(number, feature_sets=("neural",))
    merged(folder, small_recognizer, workdir, feature_sets=("neural",))
    assert record(workdir)["tables"].keys() == {"mfcc", "neural"}
    os.utime(folder / "05.wav", (0, 0))
    for number in (1, 2):
        shard(number, feature_sets=("neural",))
    with pytest.raises(UserError, match="its finished mfcc is of other files than the shards"):
        merged(folder, small_recognizer, workdir, feature_sets=("neural",))


# Known before work starts


def test_too_little_room_is_known_before_work_starts(run, monkeypatch, request):
    usage = collections.namedtuple("usage", "total used free")
    request.getfixturevalue("nothing_computed")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 1000))
    with pytest.raises(UserError, match="12 rows of mfcc take about 0 MB, and the disk has 0 MB"):
        run(feature_sets=("mfcc",))


@pytest.mark.parametrize(
    ("renamed", "said"),
    [
        ({"valence": "pleasure"}, "has no valence; evaluate with --config.eval.targets=arousal"),
        ({"arousal": "energy"}, "has no arousal; evaluate with --config.eval.targets=valence"),
        (
            {"arousal": "dominance", "valence": "pleasure"},
            "has no arousal, valence; evaluate with --config.eval.targets=dominance",
        ),
        (
            {"arousal": "energy", "valence": "emotion"},
            "has no arousal, valence; evaluate with --config.eval.targets=emotion",
        ),
        (
            {"arousal": "energy", "valence": "pleasure"},
            "has no arousal, valence: emoasr predict needs none, emoasr eval takes any column",
        ),
    ],
)
def test_missing_targets_are_named_with_what_there_is_instead(run, folder, capsys, renamed, said):
    rated = pd.read_csv(folder / "metadata.csv").rename(columns=renamed)
    rated.to_csv(folder / "metadata.csv", index=False)
    run(feature_sets=("mfcc",))
    assert f"metadata: {said}" in capsys.readouterr().out


@pytest.mark.parametrize("window", ["all", "some", "none"])
def test_recordings_shorter_than_a_window_are_noted(run, folder, capsys, window):
    seconds = sorted(soundfile.info(path).duration for path in folder.glob("*.wav"))
    longer = {"all": seconds[-1] + 1, "some": seconds[len(seconds) // 2], "none": seconds[0] / 2}
    there = {"kind": "table", "path": str(folder / "metadata.csv"), "root": ""}
    corpus = ml_collections.ConfigDict({**there, "window": longer[window], "hop": 0.0})
    workdir = run(feature_sets=("x.csv",), corpus=corpus)
    notes = [note for note in record(workdir)["notes"] if "shorter than a window" in note]
    assert len(notes) == (window != "none")
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if "shorter than" in line] == [f"metadata: {n}" for n in notes]
