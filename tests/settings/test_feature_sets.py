"""What `config.feature_sets` may hold."""

import pytest

from emoasr.errors import UserError
from emoasr.settings import feature_sets

TAKEN = ("neural", "mfcc", "labels", "mean", "random-3", "w.parquet", "w.CSV")


def test_sums_are_of_sets_that_are_named_too():
    entries = ("neural+egemaps", "neural", "egemaps", "a/b+c/w.csv", "w+neural+egemaps")
    found = feature_sets.parse(entries, seed=0)
    assert found.built_in == ("neural", "egemaps") and found.external == ("a/b+c/w.csv",)
    assert found.sums == {
        "neural+egemaps": ("neural", "egemaps"),
        "w+neural+egemaps": ("w", "neural", "egemaps"),
    }
    assert found.names == ("neural+egemaps", "neural", "egemaps", "w", "w+neural+egemaps")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (("neural", "neural+egemaps"), "'neural.egemaps': .* listed too; add 'egemaps'"),
        (("neural", "egemaps", "neural+egemap"), "add 'egemap'; did you mean egemaps"),
        (("neural", "neural+neural"), "'neural' is given twice"),
        (("neural", "mfcc", "neural+mfcc", "neural+mfcc"), "'neural.mfcc' is given twice"),
        (("neural", "neural+"), "add ''"),
        (("a+b.csv", "a", "b", "a+b"), "is given twice"),
    ],
)
def test_sums_that_cannot_be_are_named(entries, message):
    with pytest.raises(UserError, match=message) as error:
        feature_sets.parse(entries, seed=0)
    assert str(error.value).startswith("config.feature_sets=") and "\n" not in str(error.value)


@pytest.mark.parametrize("entries", [(), [], None, "neural", 3, {"neural": 1}])
def test_what_is_no_list_of_sets_is_told_in_one_line(entries):
    with pytest.raises(UserError, match=r"^config.feature_sets=.*: must be one or more names"):
        feature_sets.parse(entries, seed=0)


def test_further_recognizers_and_their_untrained_twins():
    entries = ("neural", "random-whisper", "whisper=~/a+b/whisper", "random-3", "neural+whisper")
    found = feature_sets.parse(entries, seed=0)
    assert found.built_in == ("neural", "random-whisper", "whisper", "random-3")
    assert found.recognizers == {"whisper": "~/a+b/whisper"}
    assert found.twins == {"random-whisper": "whisper"}
    assert found.seeds == {"random-3": 3}
    assert found.sums == {"neural+whisper": ("neural", "whisper")}
    assert found.names == (*found.built_in, "neural+whisper")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        *(((f"{name}=x",), f"'{name}=x': a recognizer's name must be") for name in TAKEN),
        (("random-x=y",), "not begin with 'random-'"),
        (("../w=x",), "'../w=x': a recognizer's name"),
        (("=x",), "'=x': a recognizer's name"),
        (("3=x",), "'3=x': a recognizer's name"),
        (("whisper=",), "gives no folder; give whisper=FOLDER"),
        (("w=x", "w=y"), "two sets are called 'w'"),
        (("neural", "random-whisper"), "'random-whisper': must be one of"),
    ],
)
def test_recognizers_that_cannot_be_are_named(entries, message):
    with pytest.raises(UserError, match=message):
        feature_sets.parse(entries, seed=0)
