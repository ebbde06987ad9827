"""Pages that need no other file: what is put into them is escaped, and only our scripts run."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from emoasr.report import style, wording
from emoasr.system import output

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("emoasr.report", "."),
    autoescape=True,
    finalize=lambda value: wording.visible(value) if type(value) is str else value,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["counted"] = output.counted


def render(
    template: str,
    values: Mapping[str, Any],
    *,
    css: Sequence[str] = ("page.css",),
    scripts: Mapping[str, str] | None = None,
    media: str = "'none'",
) -> str:
    """Makes a page.

    Args:
        template: a file of this folder.
        values: of its names; `css`, `policy` and those of `scripts` are added.
        css: files of this folder, one after the other; colours are variables of `style.css`.
        scripts: by name in the template.
        media: where sound may come from, as a source list of a content security policy.
    """
    ours = {name: Markup(text) for name, text in (scripts or {}).items()}
    return _ENVIRONMENT.get_template(template).render(
        **values,
        **ours,
        css=Markup(style.css() + "".join(map(file, css))),
        policy=_policy(ours.values(), media),
    )


def in_script(data: Any) -> Markup:
    """JSON as a script element's content, which no text in it can close."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def file(name: str) -> str:
    """The text of a file of this folder."""
    return resources.files("emoasr.report").joinpath(name).read_text(encoding="utf-8")


def _policy(scripts: Iterable[str], media: str) -> str:
    """What the browser lets the page do: run these scripts, and fetch nothing from a network."""
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    ours = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; script-src {ours}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"media-src {media}; base-uri 'none'; form-action 'none'"
    )
