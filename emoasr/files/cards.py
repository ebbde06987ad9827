"""Cards: the page `README.md` beside a recognizer or predictor, made from what it records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from emoasr.files.writing import write_atomically


def write(folder: Path, package: str, values: dict[str, Any], **filters: Callable) -> None:
    """Writes `folder/README.md`.

    Args:
        folder: of the recognizer or predictor.
        package: that holds the template `card.md.jinja`.
        values: of the template's names; one that is missing is an error.
        filters: of the template.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters)
    write_atomically(folder / "README.md", environment.get_template("card.md.jinja").render(values))
