import hashlib

import librosa
import ml_collections
import numpy as np
import pandas as pd
import pytest
import soundfile

from emoasr.audio import reading
from emoasr.corpora import demo, open_corpus
from emoasr.errors import UserError

pytest.importorskip("espeakng_loader", reason="no eSpeak NG: pip install -e '.[demo]'")


def opened(workdir, seed=0):
    return open_corpus(ml_collections.ConfigDict({"kind": "demo", "seed": seed}), workdir)


def digest(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def corpus(workdir):
    return opened(workdir)


@pytest.fixture(scope="module")
def measured(corpus):
    """Some utterances' settings, and their duration (s), level (dB), F0's median and spread."""
    plan = demo.design(0)[::2]
    samples = [corpus.samples(i) for i in range(0, len(corpus), 2)]
    tracks = [np.log2(librosa.yin(x, fmin=60, fmax=500, sr=reading.SAMPLE_RATE)) for x in samples]
    plan["median"] = [np.median(track) for track in tracks]
    plan["spread"] = [np.subtract(*np.percentile(track, [75, 25])) for track in tracks]
    plan["duration"] = [len(x) / reading.SAMPLE_RATE for x in samples]
    plan["level"] = [20 * np.log10(np.sqrt((x**2).mean())) for x in samples]
    return plan


def within_speaker(frame, a, b):
    centred = frame[[a, b]] - frame.groupby("speaker")[[a, b]].transform("mean")
    return centred.corr().iloc[0, 1]


def test_it_is_marked_synthetic(corpus):
    assert corpus.synthetic
    assert "synthetic" in corpus.name


def test_sixteen_voices_read_twenty_sentences(corpus):
    assert len(corpus) == 320
    assert (corpus.table.groupby("speaker").size() == 20).all()
    assert corpus.table["speaker"].nunique() == 16
    assert (corpus.table.groupby("session")["speaker"].nunique() == 2).all()
    assert corpus.table["text"].nunique() == 20


def test_labels_use_the_scale(corpus):
    for target in ("arousal", "valence"):
        assert corpus.table[target].between(1, 5).all()
        assert (corpus.table.groupby("speaker")[target].std() > 0.5).all()


def test_settings_are_heard(measured):
    assert within_speaker(measured, "rate", "duration") < -0.7
    assert within_speaker(measured, "volume", "level") > 0.8
    assert within_speaker(measured, "pitch", "median") > 0.6
    assert within_speaker(measured, "range", "spread") > 0.2  # unvoiced frames blur it
    assert measured["duration"].between(0.8, 5).all()
    assert (measured["level"] > -50).all()


def test_nothing_clips(corpus):
    for path in corpus.root.rglob("*.wav"):
        assert np.abs(soundfile.read(path)[0]).max() < 32767 / 32768


def test_voices_differ(corpus):
    """No two voices say a sentence with the same samples: an unknown variant would be ignored."""
    plan = demo.design(0).assign(rate=175, volume=80, pitch=50, range=50)
    one = plan[plan["text"] == demo.SENTENCES[0]]
    folder = corpus.root.parent / "voices"
    demo._speak_apart(one, folder)
    assert len(set(digest(folder).values())) == 16


def test_same_seed_same_bytes(corpus, tmp_path):
    """Each making runs in a process of its own."""
    opened(tmp_path)
    assert digest(tmp_path / "corpus") == digest(corpus.root)


def test_finished_corpus_is_kept(corpus, workdir, monkeypatch):
    monkeypatch.setattr(demo, "_speak_apart", lambda *_: pytest.fail("spoken again"))
    pd.testing.assert_frame_equal(opened(workdir).table, corpus.table)


def test_unfinished_corpus_is_made_again(tmp_path, monkeypatch):
    spoken = []

    def speak(plan, folder):
        assert not (folder / "labels.csv").exists()
        spoken.append(len(plan))
        for file in plan["file"]:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).touch()

    monkeypatch.setattr(demo, "_speak_apart", speak)
    opened(tmp_path)
    opened(tmp_path)
    assert len(spoken) == 1
    opened(tmp_path, seed=1)  # another seed
    assert len(spoken) == 2
    next((tmp_path / "corpus").rglob("*.wav")).unlink()  # a file lost
    opened(tmp_path, seed=1)
    assert len(spoken) == 3


@pytest.mark.parametrize(
    "content", [b"file,speaker\nmine.wav,me\n", b"file,name\na,J\xf8rn\n", b""]
)
def test_a_corpus_of_the_users_own_is_not_replaced(tmp_path, content):
    (tmp_path / "corpus").mkdir()
    labels = tmp_path / "corpus" / "labels.csv"
    labels.write_bytes(content)
    with pytest.raises(UserError, match=r"labels.csv: is of another corpus, which the demo would"):
        opened(tmp_path)
    assert digest(tmp_path) == {"corpus/labels.csv": hashlib.sha256(content).hexdigest()}


def test_seed_changes_the_draw():
    assert not demo.design(0)["arousal"].equals(demo.design(1)["arousal"])
    pd.testing.assert_frame_equal(demo.design(3), demo.design(3))


def test_unknown_voice_is_named(tmp_path):
    plan = demo.design(0)[:1].assign(voice="xx-nowhere")
    with pytest.raises(UserError, match="xx-nowhere"):
        demo._speak_apart(plan, tmp_path)
