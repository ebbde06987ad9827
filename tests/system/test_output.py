import re
from pathlib import Path

import pytest

import emoasr
from emoasr.system import output


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a.wav"], ": a.wav"),
        (["a.wav", "b\n.wav", "ø"], ": a.wav, b\\n.wav, ø"),
        (["a", "b", "c", "d"], ""),
    ],
)
def test_few_things_are_named_on_one_line(names, text):
    assert output.few(names) == text


def test_details_are_printed_only_when_asked_for_and_until_the_command_ends(capsys):
    with output.any_reader(goes_on=True):
        output.detail("not asked for")
        output.set_verbose(True)
        output.detail("asked for")
    output.detail("too late")
    assert capsys.readouterr().out == "asked for\n"


@pytest.mark.parametrize(
    ("n", "noun", "text"),
    [
        (1, "audio file", "1 audio file"),
        (0, "audio file", "0 audio files"),
        (2, "class", "2 classes"),
        (1, "class", "1 class"),
        (3, "entry", "3 entries"),
        (2, "day", "2 days"),
    ],
)
def test_things_are_counted_in_the_singular_and_plural(n, noun, text):
    assert output.counted(n, noun) == text


def test_no_text_leaves_the_plural_to_its_reader():
    """As `1 speaker(s)` does."""
    found = [
        f"{path.name}: {text}"
        for path in Path(emoasr.__file__).parent.rglob("*")
        if path.suffix in (".py", ".jinja", ".js")
        for text in re.findall(r".*\} ?\w*\(e?s\).*", path.read_text(encoding="utf-8"))
    ]
    assert not found
