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


def written(folder, header, **tables):
    """A database as a person may write it: `db.yaml` is data of any kind."""
    (folder / "db.yaml").write_text(f"source: x\nusage: other\n{header}", encoding="utf-8")
    for name, content in tables.items():
        if isinstance(content, str):
            (folder / f"db.{name}.csv").write_text(content, encoding="utf-8")
        else:
            content.to_parquet(folder / f"db.{name}.parquet")
    return folder


@pytest.mark.parametrize(("database_name", "column_id"), [("2024", "1"), ("2.5", "2020-01-01")])
def test_names_that_yaml_reads_as_numbers_and_dates_are_text(tmp_path, database_name, column_id):
    header = (
        f"name: {database_name}\ntables: {{t: {{type: filewise, columns: {{{column_id}: {{}}}}}}}}"
    )
    corpus = opened(written(tmp_path, header, t=f"file,{column_id}\na.wav,x\n"), tables=("t",))
    assert corpus.name == database_name and corpus.table[column_id].tolist() == ["x"]


@pytest.mark.parametrize(("header", "content", "message"), [
    ("name: a\ntables: {t: {type: filewise, columns: {on: {}}}}", "file,on\na.wav,1\n",
     "db.yaml: the name True is not text .* in quotes"),
    ("name:\ntables: {t: {type: filewise}}", "file\na.wav\n", "db.yaml: the name None is not text"),
    ("name: a\ntables: {t: {type: filewise, columns: {c: {scheme_id: gone}}}}", "file,c\na.wav,1\n",
     "db.yaml: table t, column c: scheme_id='gone': db.yaml defines no such one; it defines none"),
    ("name: a\ntables: {t: {type: filewise, split_id: gone}}", "file\na.wav\n", "split .*'gone'"),
    ("name: a\ntables: {t: {type: filewise, columns: {start: {}}}}", "file,start\na.wav,1\n",
     "db.t.csv: start is the index's name; rename the column or field in db.yaml"),
    ("name: a\nschemes: {speaker: {dtype: str, labels: {s: {file: x}}}}\n"
     "tables: {t: {type: filewise, columns: {speaker: {scheme_id: speaker}}}}",
     "file,speaker\na.wav,s\n", "db.t.csv: file is the index's name"),
    ("name: a\ntables: {t: {type: segmented}}", "file\na.wav\n", "db.t.csv: lacks .* start, end"),
    ("name: a\ntables: {t: {type: segmented}, s: {type: segmented}}",
     "file,start,end\na.wav,0,1\nb.wav,2,1\n", "db.t.csv: row 2 .b.wav., column end: '1' is not"),
])  # fmt: skip
def test_a_header_that_does_not_fit_its_tables_is_refused_in_one_line(
    tmp_path, header, content, message
):
    other = "file,start,end\nb.wav,0,1\na.wav,0,1\n"
    with pytest.raises(UserError, match=message) as caught:
        opened(written(tmp_path, header, s=other, t=content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("labels", "content", "found"), [
    ('["fro\\u0308h", "a  b"]', "file,c\n1,fro\u0308h\n2,a  b\n3,fr\u00f6h\n",
     ["fr\u00f6h", "a b", "fr\u00f6h"]),
    ("[1.0, 2.0]", pd.DataFrame({"c": [1.0, 2.0]}, pd.Index(["1", "2"], name="file")), [1, 2]),
    ("[1.0, 2.5]", "file,c\n1,1.0\n2,2.5\n", [1.0, 2.5]),
])  # fmt: skip
def test_labels_are_normalised_as_cells_are(tmp_path, labels, content, found):
    kind = "str" if '"' in labels else "float"
    header = f"name: a\nschemes: {{c: {{dtype: {kind}, labels: {labels}}}}}\n"
    header += "tables: {t: {type: filewise, columns: {c: {scheme_id: c}}}}"
    assert opened(written(tmp_path, header, t=content)).table["c"].tolist() == found


def test_fields_of_speakers_are_found_by_normalised_names(tmp_path):
    header = 'name: a\nschemes: {speaker: {dtype: str, labels: {"Jo\\u0308": {age: 30}}}}\n'
    header += "tables: {t: {type: filewise, columns: {speaker: {scheme_id: speaker}}}}"
    corpus = opened(written(tmp_path, header, t="file,speaker\n1,Jo\u0308\n"))
    assert corpus.table[["speaker", "age"]].iloc[0].tolist() == ["J\u00f6", 30]


def test_a_label_that_is_taken_as_missing_is_noted(tmp_path, capsys):
    header = "name: a\nschemes: {c: {dtype: str, labels: [glad, none]}}\n"
    header += "tables: {t: {type: filewise, columns: {c: {scheme_id: c}}}}"
    corpus = opened(written(tmp_path, header, t="file,c\n1,glad\n2,none\n3,\n"))
    assert corpus.notes == ("db.t.csv: column c: taken as missing: 'none' 1 x",)
    assert f"{tmp_path}: {corpus.notes[0]}\n" in capsys.readouterr().out


def test_the_mean_of_raters_overwrites_no_column(tmp_path):
    header = "name: a\nschemes: {arousal: {dtype: float}}\nraters: {x: {}, y: {}}\ntables:\n  t:\n"
    header += "    type: filewise\n    columns:\n      arousal: {scheme_id: arousal}\n"
    header += "".join(f"      {r}: {{scheme_id: arousal, rater_id: {r}}}\n" for r in "xy")
    written(tmp_path, header, t="file,arousal,x,y\n1,9,1,2\n")
    with pytest.raises(
        UserError, match="db.t.csv: the mean of x, y .*column arousal; .*raters=keep"
    ):
        opened(tmp_path)
    assert opened(tmp_path, raters="keep").table.iloc[0].tolist() == [9, 1, 2]


@pytest.mark.parametrize(("own", "found"), [("f", "f"), ("", "f"), ("m", None)])
@pytest.mark.parametrize("column", ["gender", "split"])
def test_a_column_that_the_header_gives_contradicts_none_of_the_table(tmp_path, own, found, column):
    header = "name: a\nschemes: {speaker: {dtype: str, labels: {s: {gender: f}}}}\n"
    header += "splits: {f: {type: f}}\ntables: {t: {type: filewise, split_id: f, "
    header += f"columns: {{speaker: {{scheme_id: speaker}}, {column}: {{}}}}}}}}"
    written(tmp_path, header, t=f"file,speaker,{column}\n1,s,{own}\n")
    if found:
        assert opened(tmp_path).table[column].tolist() == [found]
    else:
        with pytest.raises(
            UserError, match=f"row 1 .*column {column}: 'm' differs from the {column}"
        ):
            opened(tmp_path)


def test_files_without_segments_are_skipped(tmp_path):
    database(tmp_path)
    path = tmp_path / "db.ratings.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    corpus = opened(tmp_path)
    assert corpus.table.index.get_level_values("file").tolist() == FILES[:2]
    (skipped,) = corpus.skipped
    assert skipped.file == FILES[2] and "no segment" in skipped.reason


def test_times_of_csv_and_parquet_are_the_same_segments(tmp_path):
    header = "name: a\ntables:\n"
    header += "".join(f"  {t}: {{type: segmented, columns: {{{t}: {{}}}}}}\n" for t in "st")
    index = audformat.segmented_index(FILES, ["0s", "1s", "2s"], ["1s", "2s", "3.5s"])
    csv = "file,start,end,t\na/1.wav,0,1,x\na/2.wav,1.0,2 s,y\nb/3.wav,0:02,3500ms,z\n"
    found = opened(written(tmp_path, header, s=pd.DataFrame({"s": [1, 2, 3]}, index), t=csv)).table
    assert found["s"].tolist() == [1, 2, 3] and found["t"].tolist() == ["x", "y", "z"]


def test_tables_without_files_are_named(tmp_path, capsys):
    db = audformat.Database.load(str(database(tmp_path)))
    db["people"] = audformat.MiscTable(pd.Index(["x", "y"], name="speaker"))
    db["people"]["age"] = audformat.Column()
    db["people"]["age"].set([30, 40])
    db.save(str(tmp_path), storage_format="csv")
    assert opened(tmp_path).notes == ("tables without files are not read: people",)
    assert "tables without files are not read: people\n" in capsys.readouterr().out
