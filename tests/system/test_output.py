import pytest

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
