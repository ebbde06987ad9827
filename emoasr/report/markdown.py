"""The report as Markdown, for a terminal, a repository or a mail."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from emoasr.report import wording
from emoasr.report.tables import Grid
from emoasr.system import output
from emoasr.system.output import UNDEFINED


class _Ready(str):
    """Markdown that needs no escaping."""


def render(content: Mapping[str, Any], pictures: Sequence[str]) -> str:
    """Makes the text.

    Args:
        content: that of `content.build`.
        pictures: names of the files in `figures/`.
    """
    maps = [name for name in pictures if name.startswith("pearson-")]
    several = len(content["map_sets"]) > 1
    titles = [
        f"{name}, {feature_set}" if several else name
        for feature_set, name in content["maps_pictured"]
    ]

    def picture(file: str, what: str) -> _Ready:
        there = file in pictures
        return _Ready(f"![{escape(what)}](figures/{file})" if there else "Nothing to show.")

    text = _ENVIRONMENT.get_template("report.md.jinja").render(
        **content,
        in_words=wording.listed(content["counts"]),
        dash=UNDEFINED,
        maps=[*zip(titles, maps, strict=True)],
        pictures=pictures,
        picture=picture,
        table=table,
        code=code,
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def escape(value: object) -> str:
    """A user's text as Markdown that shows it, on one line."""
    text = html.escape(wording.visible(" ".join(str(value).split())), quote=False)
    text = re.sub(r"[\\`*_|~$]|^\[|\](?=[(\[:])", r"\\\g<0>", text)  # the last two: links
    return re.sub(r"^([#+=-]|\d+(?=[.)](\s|$)))", lambda found: _at_start(found[0]), text)


def _at_start(text: str) -> str:
    """What would begin a heading or a list, made harmless."""
    return f"{text}\\" if text.isdecimal() else f"\\{text}"


def table(grid: Grid) -> _Ready:
    """A table; the groups' titles go into the columns' names."""
    groups = [title for title, span in grid.groups for _ in range(span)] or [""] * len(grid.head)
    head = [
        f"{group}: {name}" if group else name for group, name in zip(groups, grid.head, strict=True)
    ]
    rule = ["---" if i < grid.words else "--:" for i in range(len(head))]
    lines = [[escape(name) for name in head], rule]
    lines += [
        [_bold(cell) if (i, j) in grid.best else escape(cell) for j, cell in enumerate(row)]
        for i, row in enumerate(grid.rows)
    ]
    return _Ready("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _bold(cell: str) -> str:
    """A value in bold, its interval not."""
    value, blank, bounds = cell.partition(" ")
    return f"**{escape(value)}**{blank}{escape(bounds)}"


def code(text: str) -> _Ready:
    """An indented block, which no text can end."""
    return _Ready("\n".join(f"    {wording.visible(line)}" for line in text.splitlines()))


def _finalize(value: object) -> object:
    return value if isinstance(value, _Ready) else escape(value)


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("emoasr.report", "."),
    autoescape=False,  # Markdown: _finalize escapes
    finalize=_finalize,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters["counted"] = output.counted
