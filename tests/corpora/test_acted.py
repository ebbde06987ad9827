"""Corpora of acted emotions, as their authors lay them out: labels are in the names of files."""

import itertools
from pathlib import Path

import ml_collections
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoasr.corpora import cremad, emodb, open_corpus, ravdess
from emoasr.errors import UserError

RAVDESS_EMOTIONS = {"01": range(1, 9), "02": range(1, 7)}  # of speech, of song


def ravdess_names(channel):
    """Every name of the release."""
    return [
        f"03-{channel}-{emotion:02}-{intensity}-{statement}-{repetition}-{actor:02}"
        for actor in range(1, 25)
        if (channel, actor) != ("02", 18)  # does not sing
        for emotion in RAVDESS_EMOTIONS[channel]
        for intensity in (("01",) if emotion == 1 else ("01", "02"))
        for statement, repetition in itertools.product(("01", "02"), repeat=2)
    ]


def opened(kind, path, **fields):
    return open_corpus(
        ml_collections.ConfigDict({"kind": kind, "path": str(path)} | fields), Path()
    )


def touch(folder, names, suffix=".wav"):
    for name in names:
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_ravdess_has_the_published_counts(tmp_path, capsys):
    for top, channel in (("Audio_Speech_Actors_01-24", "01"), ("Audio_Song_Actors_01-24", "02")):
        names = ravdess_names(channel)
        touch(tmp_path, [f"{top}/Actor_{name[-2:]}/{name}" for name in names])
    for channel, n, speakers in (("speech", 1440, 24), ("song", 1012, 23), ("", 2452, 24)):
        corpus = opened("ravdess", tmp_path, channel=channel)
        assert (len(corpus), corpus.table["speaker"].nunique()) == (n, speakers)
        assert f"counts are the published ones ({n} recordings" in capsys.readouterr().out
        assert len(corpus.skipped) == 2452 - n  # those of the other channel
    assert corpus.table.groupby("speaker")["channel"].nunique().value_counts().to_dict() == {
        2: 23, 1: 1
    }  # fmt: skip
    row = corpus.table.loc["Audio_Song_Actors_01-24/Actor_02/03-02-06-02-01-01-02.wav"]
    assert row.to_dict() == {
        "speaker": "02", "emotion": "fearful", "text": "Kids are talking by the door",
        "sex": "female", "channel": "song", "intensity": "strong", "repetition": row["repetition"],
    }  # fmt: skip


def test_emodb_has_the_published_emotions_of_german_letters(tmp_path, capsys):
    names = [f"{speaker}a01{letter}a" for speaker in ("03", "16") for letter in emodb.EMOTIONS]
    corpus = opened("emodb", touch(tmp_path, [f"wav/{name}" for name in names]))
    assert sorted(corpus.table["emotion"].unique()) == sorted(emodb.EMOTIONS.values())
    of = corpus.table.loc["wav/03a01Wa.wav"]
    assert (of["speaker"], of["emotion"], of["sex"], of["sentence"]) == (
        "03", "anger", "male", "a01"
    )  # fmt: skip
    assert "recordings 14 (535), speakers 2 (10), anger 2 (127)" in capsys.readouterr().out


def test_cremad_takes_wav_leaves_out_what_is_broken_and_knows_the_actors(tmp_path):
    names = ["1001_DFA_ANG_XX", "1040_ITH_SAD_X", "1064_IEO_DIS_MD", "1076_MTI_SAD_XX"]
    touch(
        touch(tmp_path / "AudioWAV", names).parent / "AudioMP3", [*names, "1002_TIE_HAP_LO"], ".mp3"
    )
    (tmp_path / "VideoDemographics.csv").write_text(
        "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n"
        "1040,42,Female,Asian,Not Hispanic\n1002,21,Female,Caucasian,Not Hispanic\n"
    )
    table = (corpus := opened("cremad", tmp_path)).table
    assert table.index.tolist() == [
        "AudioMP3/1002_TIE_HAP_LO.mp3", "AudioWAV/1001_DFA_ANG_XX.wav",
        "AudioWAV/1040_ITH_SAD_X.wav",
    ]  # fmt: skip
    assert table["sex"].tolist() == ["female", "male", "female"]
    assert table["age"].tolist() == [21, 51, 42]
    assert table["intensity"].isna().tolist() == [False, True, True]
    reasons = [s.reason for s in corpus.skipped]
    assert sum("copy, by its name, of AudioWAV/" in reason for reason in reasons) == 2
    assert sum("known to" in reason for reason in reasons) == 4


@pytest.mark.parametrize(
    ("actors", "rows"), [("1001 1001", "1 and 2"), ("1002 1001 1003 1001 1001", "2 and 4")]
)
def test_an_actor_who_is_listed_twice_is_named(tmp_path, actors, rows):
    touch(tmp_path, ["1001_DFA_ANG_XX", "1002_DFA_ANG_XX"])
    (tmp_path / "VideoDemographics.csv").write_text(
        "ActorID,Age,Sex\n" + "".join(f"{actor},51,Male\n" for actor in actors.split())
    )
    with pytest.raises(UserError, match=f"Demographics.csv: rows {rows}, column ActorID: '1001' a"):
        opened("cremad", tmp_path)


@pytest.mark.parametrize(("channel", "code"), [("speech", "02"), ("song", "01")])
def test_ravdess_says_of_the_other_channel_what_it_is(tmp_path, channel, code):
    (other,) = {"speech", "song"} - {channel}
    touch(tmp_path, [f"03-{code}-01-01-01-01-{actor}" for actor in ("01", "02")])
    with pytest.raises(UserError, match=f"channel={channel}: of the 2 recordings .* none is"):
        opened("ravdess", tmp_path, channel=channel)
    own = {"01": "02", "02": "01"}[code]
    corpus = opened("ravdess", touch(tmp_path, [f"03-{own}-01-01-01-01-03"]), channel=channel)
    assert len(corpus) == 1
    assert [s.reason for s in corpus.skipped] == [
        f"{other}; config.corpus.channel={channel} leaves it out"
    ] * 2


KINDS = {
    "ravdess": ("03-01-06-01-02-01-12", {"channel": ""}),
    "emodb": ("03a01Fa", {}),
    "cremad": ("1001_DFA_ANG_XX", {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_audio_is_named_and_a_folder_without_any_is_refused(tmp_path, kind):
    name, fields = KINDS[kind]
    (tmp_path / "notes.txt").touch()
    touch(tmp_path, ["song"])
    with pytest.raises(UserError, match="no audio file with a name like .*; it holds files: "):
        opened(kind, tmp_path, **fields)
    corpus = opened(kind, touch(tmp_path, [name]), **fields)
    assert corpus.table.index.tolist() == [f"{name}.wav"]
    (skipped,) = corpus.skipped
    assert skipped.file == "song.wav" and "its name is not like" in skipped.reason
    touch(tmp_path / "again", [name])
    (copy, _) = sorted(opened(kind, tmp_path, **fields).skipped, key=lambda s: s.file)
    assert "a copy" in copy.reason


@pytest.mark.parametrize("kind", KINDS)
@given(
    name=st.text(st.characters(codec="ascii", exclude_characters="/\0"), min_size=1, max_size=20)
)
def test_any_name_is_taken_or_skipped_with_a_reason(kind, name, tmp_path_factory):
    example, fields = KINDS[kind]
    folder = touch(tmp_path_factory.mktemp("names"), [example])
    if name in (".", "..") or name.startswith("."):
        return
    (folder / f"{name}.wav").touch()
    corpus = opened(kind, folder, **fields)
    assert len(corpus) + len(corpus.skipped) == len({name, example})


def test_a_channel_that_is_not_ravdess_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"config\.corpus\.channel='sung'.*speech, song"):
        opened("ravdess", tmp_path, channel="sung")


def test_no_two_emotions_of_a_corpus_have_one_name():
    for emotions in (ravdess.EMOTIONS, emodb.EMOTIONS, cremad.EMOTIONS):
        assert len(set(emotions.values())) == len(emotions)
