"""Databases in audformat, as its own library writes them."""

from pathlib import Path

import audformat
import ml_collections
import pandas as pd
import pytest

from emoasr.corpora import open_corpus
from emoasr.errors import UserError

FILES = ["a/1.wav", "a/2.wav", "b/3.wav"]


def database(folder, segmented=True, storage_format="csv"):
    """Speakers of files; arousal by two raters and emotion, of segments or of files."""
    db = audformat.Database("made", source="nowhere", usage=audformat.define.Usage.RESEARCH)
    db.splits["train"] = audformat.Split(type="train")
    db.schemes["speaker"] = audformat.Scheme(labels={"x": {"gender": "f"}, "y": {"gender": "m"}})
    db.schemes["arousal"] = audformat.Scheme("float", minimum=1, maximum=7)
    db.schemes["emotion"] = audformat.Scheme(labels=["happy", "sad"])
    db.raters["r1"], db.raters["r2"] = audformat.Rater(), audformat.Rater()
    db["files"] = audformat.Table(audformat.filewise_index(FILES), split_id="train")
    db["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    db["files"]["speaker"].set(["x", "x", "y"])
    index = audformat.filewise_index(FILES)
    if segmented:
        index = audformat.segmented_index(FILES, ["0s", "1s", "2s"], ["1s", "2s", "3.5s"])
    db["ratings"] = audformat.Table(index)
    for rater, values in (("r1", [1, 2, 3]), ("r2", [2, 4, None])):
        db["ratings"][f"arousal.{rater}"] = audformat.Column(scheme_id="arousal", rater_id=rater)
        db["ratings"][f"arousal.{rater}"].set(values)
    db["ratings"]["emotion"] = audformat.Column(scheme_id="emotion")
    db["ratings"]["emotion"].set(["happy", "sad", None])
    db.save(str(folder), storage_format=storage_format)
    return folder


def opened(path, **changes):
    config = {"kind": "audformat", "path": str(path), "tables": (), "raters": "mean", **changes}
    return open_corpus(ml_collections.ConfigDict(config), Path())


@pytest.mark.parametrize("storage_format", ["csv", "parquet"])
@pytest.mark.parametrize("segmented", [True, False])
def test_tables_are_joined_and_raters_averaged(tmp_path, segmented, storage_format):
    corpus = opened(database(tmp_path, segmented, storage_format))
    found = corpus.table
    assert found.index.get_level_values("file").tolist() == FILES
    assert found.index.nlevels == (3 if segmented else 1)
    assert found["arousal"].tolist() == [1.5, 3.0, 3.0]
    assert found["speaker"].tolist() == ["x", "x", "y"]
    assert found["gender"].tolist() == ["f", "f", "m"] and set(found["split"]) == {"train"}
    assert found["emotion"].fillna("none").tolist() == ["happy", "sad", "none"]
    assert corpus.name == "made"


def test_raters_may_be_kept_and_tables_chosen(tmp_path):
    database(tmp_path)
    found = opened(tmp_path, raters="keep", tables=("ratings",)).table
    assert found["arousal.r1"].tolist() == [1, 2, 3] and "speaker" not in found
    assert found["arousal.r2"].isna().tolist() == [False, False, True]


def edited(folder, file, old, new):
    path = folder / file
    path.write_text(path.read_text().replace(old, new))


def without(folder, file):
    (folder / file).unlink()


@pytest.mark.parametrize(("spoil", "changes", "message"), [
    (lambda db: without(db, "db.yaml"), {}, "has no db.yaml; give the folder of an audformat"),
    (lambda db: without(db, "db.ratings.csv"), {}, "table 'ratings' is neither in .*a pickle"),
    (lambda db: edited(db, "db.yaml", "name: made", "name: ]"), {}, "db.yaml: not a header"),
    (lambda db: edited(db, "db.yaml", "name: made", "name: !!python/object/apply:os.getcwd []"), {},
     "db.yaml: not a header of audformat"),
    (lambda db: edited(db, "db.ratings.csv", "2.0,4.0", "2.0,9.0"), {},
     "row 2 .a.2.wav., column arousal.r2: '9.0' is not within its scheme, 1 to 7"),
    (lambda db: edited(db, "db.ratings.csv", "happy", "glad"), {},
     "column emotion: 'glad' is no label of its scheme"),
    (lambda db: None, {"tables": ("rating",)}, "tables='rating': there is no such table; .*files"),
    (lambda db: None, {"raters": "median"}, "config.corpus.raters='median'"),
])  # fmt: skip
def test_what_cannot_be_read_is_refused(tmp_path, spoil, changes, message):
    database(tmp_path)
    spoil(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        opened(tmp_path, **changes)
    assert "\n" not in str(caught.value)


def test_tables_that_contradict_each_other_are_refused(tmp_path):
    database(tmp_path, segmented=False)
    header = (tmp_path / "db.yaml").read_text()
    columns = "    columns:\n      emotion: {scheme_id: emotion}\n"
    more = f"  other:\n    type: filewise\n{columns}"
    (tmp_path / "db.yaml").write_text(header.replace("\ntables:\n", f"\ntables:\n{more}"))
    table = pd.DataFrame({"file": FILES, "emotion": ["happy", "happy", "sad"]})
    table.to_csv(tmp_path / "db.other.csv", index=False)
    with pytest.raises(UserError, match="two tables have different values of emotion for a/2.wav"):
        opened(tmp_path)
