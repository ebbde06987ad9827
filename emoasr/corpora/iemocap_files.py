"""The content of the files of IEMOCAP's release, and a record of lines that cannot be parsed.

    SessionN/dialog/EmoEvaluation/DIALOGUE.txt   each turn's category, ratings and annotators
    SessionN/dialog/transcriptions/DIALOGUE.txt  lines `TURN [start-end]: text`
    SessionN/sentences/wav/DIALOGUE/TURN.wav     16 kHz mono

Copies in use have additional files (`._*`, `.DS_Store`, `*.pk`), missing ones, or other line ends.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import Any

from emoasr.corpora.base import RATINGS, contents
from emoasr.errors import UserError
from emoasr.files import storage

RATERS = tuple(f"{label}_ratings" for label in (*RATINGS, "emotion"))  # columns, by annotator

_NAME = (
    r"(?P<turn>(?P<dialogue>(?P<session>Ses0[1-5])[FM]_(?P<style>impro|script)\w{0,64})"
    r"_(?P<letter>[FM])[A-Z]*\d+)\b"
)
_NUMBER = r"(?:\d{1,3}(?:\.\d*)?|\.\d+)"
_THREE = rf"\[\s*(?P<v>{_NUMBER})\s*,\s*(?P<a>{_NUMBER})\s*,\s*(?P<d>{_NUMBER})\s*\]"
_TURN = re.compile(rf"\[[^\]]*\]\s+{_NAME}\s+(?P<emotion>\w+)\s+{_THREE}$", re.ASCII)
_NAMED = re.compile(_NAME, re.ASCII)
_ANNOTATOR = re.compile(r"(?P<kind>[AC])-(?P<who>[A-Z]\d*):(?P<what>[^(]*)", re.ASCII)
_RATING = re.compile(rf"\b(val|act|dom)\s*({_NUMBER})", re.ASCII)
_SPOKEN = re.compile(rf"{_NAME}\s*\[[^\]]*\]\s*:(?P<text>.*)", re.ASCII)
_DIMENSIONS = {"val": "valence", "act": "arousal", "dom": "dominance"}


@dataclasses.dataclass
class Release:
    """All sessions of a release; files are relative to `top`.

    Attributes:
        top: the release's folder.
        sessions: its session folders, sorted.
        turns: by turn's name: the cells of a table's row, `file` being where its recording belongs,
            the columns `RATERS` dictionaries by annotator.
        repeated: files of turns that are annotated again; the first annotation is in `turns`.
        damaged: by turn's name: the file of one whose line cannot be read.
        recordings: by turn's name in lower case: the files named so.
        misnamed: recordings whose names no table can hold.
        texts: by turn's name: its transcript.
        nameless: how many lines of the transcriptions name no turn.
        odd: `FILE:LINE` of other lines of EmoEvaluation that cannot be parsed.
    """

    top: storage.Place
    sessions: list[storage.Place]
    turns: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    repeated: list[str] = dataclasses.field(default_factory=list)
    damaged: dict[str, str] = dataclasses.field(default_factory=dict)
    recordings: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    misnamed: list[str] = dataclasses.field(default_factory=list)
    texts: dict[str, str] = dataclasses.field(default_factory=dict)
    nameless: int = 0
    odd: list[str] = dataclasses.field(default_factory=list)


def read(path: storage.Place) -> Release:
    """Reads the release at `path`, or else the one that is a folder in it.

    Raises:
        UserError: there is none, there are two, or something cannot be read.
    """
    try:
        tops = [path] if _sessions(path) else [p for p in _listed(path) if _sessions(p)]
        if len(tops) == 1:
            storage.check_utf8(tops[0], f"config.corpus.path={tops[0]}")
            release = Release(tops[0], _sessions(tops[0]))
            for session in release.sessions:
                _read_recordings(session, release)
                _read_texts(session, release)
                _read_annotations(session, release)
            return release
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from None
    if tops:
        two = f"{tops[0].name} and {tops[1].name} both hold sessions; name one of them"
        raise UserError(f"config.corpus.path={path}: {two}")
    raise UserError(
        f"config.corpus.path={path}: holds no Session1 ... Session5; give IEMOCAP_full_release; "
        f"{contents(path)}"
    )


def _sessions(folder: storage.Place) -> list[storage.Place]:
    return [p for p in _listed(folder) if re.fullmatch(r"session[1-5]", p.name.lower())]


def _listed(folder: storage.Place) -> list[storage.Place]:
    """What a folder holds, sorted, without `.DS_Store` and macOS's `._NAME` beside each NAME."""
    if not folder.is_dir():
        return []
    entries: Iterable[storage.Place] = folder.iterdir()
    return sorted((p for p in entries if not p.name.startswith(".")), key=lambda p: p.name)


def _inside(folder: storage.Place, *names: str) -> storage.Place:
    """A folder further down; copies may have lost the case of its name."""
    for name in names:
        alike = [p for p in _listed(folder) if p.name.lower() == name.lower()]
        folder = alike[0] if alike else folder / name
    return folder


def _lines(folder: storage.Place) -> Iterator[tuple[storage.Place, int, str]]:
    """Lines of the folder's .txt files, stripped, each with its file and its number from 1."""
    for file in _listed(folder):
        if file.suffix.lower() != ".txt" or not file.is_file():
            continue
        raw = file.read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")  # Latin-1, and what Windows adds to it
        for number, line in enumerate(re.split(r"\r\n?|\n", text), 1):
            yield file, number, line.strip()


def _read_recordings(session: storage.Place, release: Release) -> None:
    waves = _inside(session, "sentences", "wav")
    for path in (p for entry in _listed(waves) for p in (entry, *_listed(entry))):
        if path.suffix.lower() == ".wav":
            file = storage.below(release.top, path)
            if storage.is_utf8(file):
                release.recordings.setdefault(path.stem.lower(), []).append(file)
            else:
                release.misnamed.append(file)


def _read_texts(session: storage.Place, release: Release) -> None:
    for _, _, line in _lines(_inside(session, "dialog", "transcriptions")):
        if spoken := _SPOKEN.match(line):
            release.texts.setdefault(spoken["turn"], " ".join(spoken["text"].split()))
        elif line:
            release.nameless += 1


def _read_annotations(session: storage.Place, release: Release) -> None:
    turn: dict[str, Any] | None = None  # whose annotators' lines follow
    for file, number, line in _lines(_inside(session, "dialog", "EmoEvaluation")):
        turn = None if number == 1 else turn
        if match := _TURN.match(line):
            turn = _turn(match, session.name)
            if release.turns.setdefault(match["turn"], turn) is not turn:
                release.repeated.append(turn["file"])
        elif turn is not None and (match := _ANNOTATOR.match(line)):
            _annotate(turn, match)
        elif match := _NAMED.search(line):
            turn = {column: {} for column in RATERS}  # its annotators go with it
            release.damaged[match["turn"]] = _file(match, session.name)
        elif line and not line.startswith("%"):  # % is the heading
            release.odd.append(f"{file}:{number}")


def _file(match: re.Match, session: str) -> str:
    return f"{session}/sentences/wav/{match['dialogue']}/{match['turn']}.wav"


def _turn(match: re.Match, session: str) -> dict[str, Any]:
    return {
        "file": _file(match, session),
        "session": match["session"],
        "speaker": f"{match['session']}_{match['letter']}",
        "dialogue": match["dialogue"],
        "style": "improvised" if match["style"] == "impro" else "scripted",
        "gender": "female" if match["letter"] == "F" else "male",
        "emotion": match["emotion"],
        **{label: float(match[c]) for label, c in zip(RATINGS, "avd", strict=True)},
        **{column: {} for column in RATERS},
    }


def _annotate(turn: dict[str, Any], match: re.Match) -> None:
    """Adds an annotator's line, `C-E2: Neutral; Anger; ()` or `A-E3: val 3; act 2; dom 2; ()`."""
    if match["kind"] == "C":
        labels = [label.strip() for label in match["what"].split(";")]
        turn["emotion_ratings"].setdefault(match["who"], []).extend(filter(None, labels))
    else:
        for dimension, value in _RATING.findall(match["what"]):
            turn[f"{_DIMENSIONS[dimension]}_ratings"][match["who"]] = float(value)
