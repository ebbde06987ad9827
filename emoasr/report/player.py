"""The page that plays recordings, with predictions and contributions, in one HTML file."""

from collections.abc import Mapping
from typing import Any

from emoasr.report import html, style, wording


def render(content: Mapping[str, Any]) -> str:
    """Makes the page.

    Args:
        content: that of `prediction.recordings.content`.
    """
    targets = [wording.visible(target) for target in content["targets"]]
    recordings = [
        {**recording, "name": wording.visible(recording["name"])}
        for recording in content["recordings"]
    ]
    lanes = [wording.visible(lane) for lane in content["lanes"]]
    data = {"lanes": lanes, "colours": style.SERIES, "recordings": recordings}
    values = {
        **content,
        "title": recordings[0]["name"] if len(recordings) == 1 else f"{len(recordings)} recordings",
        "in_words": wording.listed(targets),
        "data": html.in_script(data),
    }
    return html.render(
        "player.html.jinja",
        values,
        css=("page.css", "player.css"),
        scripts={"js": html.file("player.js")},
        media="blob: file: 'self'",
    )
