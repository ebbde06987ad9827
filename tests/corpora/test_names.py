"""Names that are not UTF-8: no table can hold them."""

import os
from pathlib import Path

import ml_collections
import pytest
from made_corpora import turns

from emoasr.corpora import named, open_corpus
from emoasr.errors import UserError
from emoasr.files import places

ODD = os.fsdecode(b"Schau\xe4")

CLIPS = {  # two names of audio of each corpus, and other files
    "folder": ("a.wav", "b.wav", {}),
    "ravdess": ("03-01-06-01-02-01-12.wav", "03-01-06-01-02-02-12.wav", {}),
    "emodb": ("03a01Fa.wav", "03a01Wa.wav", {}),
    "cremad": ("1001_DFA_ANG_XX.wav", "1001_DFA_SAD_XX.wav", {}),
    "msp_improv": (
        "MSP-IMPROV-S01A-F01-P-FM01.wav",
        "MSP-IMPROV-S01A-F01-P-FM02.wav",
        {
            "Evalution.txt": "".join(
                f"UTD-IMPROV-S01A-F01-P-FM0{n}.avi; N; A:2; V:3; D:3; N:4;\n" for n in (1, 2)
            )
        },
    ),
    "meld": (
        "train/dia0_utt0.wav",
        "train/dia1_utt0.wav",
        {
            "train_sent_emo.csv": "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            "Hi,Ross,joy,positive,0,0\nHo,Ross,joy,positive,1,0\n"
        },
    ),
    "iemocap": ("", "", {}),
}
FIELDS = {"kind": "", "path": "", "channel": "", "consistent": ""}


def made(folder, kind):
    """A corpus of which one recording, the second, lies in a folder of that name."""
    first, second, others = CLIPS[kind]
    if kind == "iemocap":
        turns(folder, "Ses01F_impro01_F000", "Ses01F_impro01_M000")
        second = "Session1/sentences/wav/Ses01F_impro01_M000.wav"
        dialogue = folder / "Session1/sentences/wav/Ses01F_impro01"
        (dialogue / Path(second).name).rename(folder / second)
    for name in filter(None, (first, second, *others)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if kind != "iemocap":
            (folder / name).write_text(others.get(name, ""))
    path = folder / second
    (path.parent / ODD).mkdir()
    path.rename(path.parent / ODD / path.name)
    return folder


def opened(kind, path):
    fields = {**FIELDS, "kind": kind, "path": str(path)}
    return open_corpus(ml_collections.ConfigDict(fields), Path())


@pytest.mark.parametrize("kind", CLIPS)
def test_audio_in_a_folder_of_such_a_name_is_skipped_with_the_reason(tmp_path, kind):
    corpus = opened(kind, made(tmp_path, kind))
    assert len(corpus) == 1 and ODD not in corpus.key(0)[0]
    (skipped,) = (s for s in corpus.skipped if "not UTF-8" in s.reason)
    assert "Schau\\udce4" in skipped.file and skipped.file.isprintable()


def link(folder):
    (folder / "link").symlink_to(folder / ODD)
    return folder / "link"


@pytest.mark.parametrize("field", ["path", "root"])
@pytest.mark.parametrize("place", [
    lambda folder: folder / ODD, lambda folder: folder / ODD / "t.csv", link,
], ids=["itself", "around it", "linked"])  # fmt: skip
def test_a_root_of_such_a_name_is_refused_first(tmp_path, field, place):
    (tmp_path / ODD).mkdir()
    (tmp_path / ODD / "t.csv").touch()
    corpus = {"path": str(tmp_path), "root": "", field: str(place(tmp_path))}
    with pytest.raises(UserError, match=f"config.corpus.{field}=.*is not UTF-8.*rename") as caught:
        places.check(ml_collections.ConfigDict(corpus))
    assert str(caught.value).isprintable()


def test_a_release_in_a_folder_of_such_a_name_is_refused(tmp_path):
    turns(tmp_path / "release", "Ses01F_impro01_F000")
    (tmp_path / "release").rename(tmp_path / ODD)
    with pytest.raises(UserError, match=r"config.corpus.path=.*udce4: .*not UTF-8"):
        opened("iemocap", tmp_path)


@pytest.mark.parametrize("name", [f"{ODD}/a.wav", f"{ODD}.wav", f"{ODD}/t.csv", ODD])
def test_an_input_of_such_a_name_is_refused(tmp_path, name):
    (tmp_path / ODD).mkdir()
    (tmp_path / ODD / "a.wav").touch()
    (tmp_path / ODD / "t.csv").write_text("file\na.wav\n")
    with pytest.raises(UserError, match="not UTF-8; rename it") as caught:
        named.of([str(tmp_path / name)])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("field", ["path", "root"])
@pytest.mark.parametrize("name", ["zero\0byte", "x" * 300, "gone", "loop"])
def test_a_root_that_cannot_be_opened_is_refused_first(tmp_path, field, name):
    (tmp_path / "loop").symlink_to("loop")
    corpus = {"path": str(tmp_path), "root": "", field: f"{tmp_path}/{name}"}
    with pytest.raises(UserError, match=f"config.corpus.{field}=.*: (no such|cannot)"):
        places.check(ml_collections.ConfigDict(corpus))
