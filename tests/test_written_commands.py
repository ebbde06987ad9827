"""Commands that configurations, the README and the guides give: every name and value is taken."""

import re
import shlex
import string
from pathlib import Path

import pytest

from emoasr import config
from emoasr.__main__ import main
from emoasr.settings import configurations

ROOT = Path(__file__).parents[1]
TEXTS = [*ROOT.glob("configs/*.py"), ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
COMMAND = re.compile(r"^(?: {4})?(?:\S+='[^']*' )?(?:python -m emoasr\.|emoasr )(\w+ .*)", re.M)
VARIABLE = re.compile(r'^\s*([A-Z]+)="([^"]*)"', re.M)


def written(path: Path) -> list[list[str]]:
    """Arguments of the commands on a corpus in a text, its shell variables replaced."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found, variables = [], {}
    for line in re.split(r"\n(?!\s+--config)", text):
        if variable := VARIABLE.match(line):
            name, value = variable.groups()
            variables[name] = string.Template(value).safe_substitute(variables)
        elif command := COMMAND.match(line.replace("\n", " ")):
            arguments = string.Template(command[1]).safe_substitute(variables)
            found.append(shlex.split(arguments, comments=True))
    return [one for one in found if any(a.startswith(("--config", "--workdir")) for a in one)]


COMMANDS = [(path.name, one) for path in TEXTS for one in written(path)]


@pytest.mark.parametrize(
    ("name", "arguments"), COMMANDS, ids=[f"{name} {i}" for i, (name, _) in enumerate(COMMANDS)]
)
def test_it_is_taken(name, arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("emoasr.cli._work", lambda *_: 0)
    stored = configurations.load(configurations.find("emotale", config.experiment))
    monkeypatch.setattr(configurations, "stored", lambda *_: stored)
    status, errors = main(arguments), capsys.readouterr().err
    assert (status, errors) == (0, "")  # no flag without an effect either


def test_every_configuration_gives_some():
    assert {name for name, _ in COMMANDS} >= {path.name for path in ROOT.glob("configs/*.py")}
    assert len(COMMANDS) > 60
