"""Transcribes files: CTC decoding, greedy, or by beam search with a language model.

    python -m emoasr.transcribe a.wav b.flac
    python -m emoasr.transcribe --format=csv --recognizer=runs/p/pretrain/recognizer a.wav
    python -m emoasr.transcribe --beam_size=50 a.wav
    python -m emoasr.transcribe --format=textgrid --output=transcripts a.wav b.flac

Greedy decoding uses no language model. Beam search combines the recognizer's scores with its
language model, if it has one (`--language_weight=0`: without it).

Each file is printed as soon as it is done; `--format` says how:

  txt       its name, a tab and the text
  json      an object a line: text, the second where each character begins (`times`), confidence
            (0 to 1), and each word with its start, end and confidence
  csv       a row a word: file, start, end, word, confidence
  srt       subtitles
  textgrid  a tier of words for Praat

With `--output` each transcript is written to a file of that folder instead, named after the audio.
A file that cannot be read is named on stderr, the others are transcribed, and the exit status is 1.
A warning names files that sound unlike the recognizer's training speech.
"""

from emoasr.system import interrupts

if __name__ == "__main__":  # before the other imports, which take time
    interrupts.prepare()

import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from absl import flags

from emoasr import cli
from emoasr.errors import UserError, one_line
from emoasr.files import places, storage
from emoasr.files.writing import check_name, ensure_folder, place_of, write_atomically
from emoasr.settings import bounds
from emoasr.settings.choices import LANGUAGE_WEIGHT, check_choice

SUFFIXES = {"txt": "txt", "json": "json", "csv": "csv", "srt": "srt", "textgrid": "TextGrid"}
FORMATS = tuple(SUFFIXES)
ONE_A_FILE = ("srt", "textgrid")  # these hold one recording


def main(
    files: list[str],
    recognizer: str,
    kind: str = "txt",
    output: str = "",
    beam_size: int = 1,
    language_weight: float = LANGUAGE_WEIGHT,
) -> int:
    """Prints or writes the transcripts of `files`; returns how many could not be read.

    Args:
        files: paths or URLs.
        recognizer: a recognizer's folder, URL or name; empty: the shipped one.
        kind: one of `FORMATS`.
        output: folder for a file a transcript; empty: they are printed.
        beam_size: as for `Recognizer.transcribe`.
        language_weight: likewise.

    Raises:
        UserError: no file is given, no such recognizer, one that gives no transcripts, a beam size
            out of bounds, or a transcript's file is there already.
    """
    if not files:
        raise UserError("name the files: python -m emoasr.transcribe FILE ... (see --help)")
    check_choice("--format", kind, FORMATS)
    bounds.check_number("--beam_size", beam_size, "beam_size")
    places_of = _outputs(files, kind, output)
    if "://" not in recognizer:
        places.of_recognizer(recognizer)
    there = [file for file in files if _is_there(file)]
    if not there:
        return len(files)
    from emoasr.asr import transcript_files, transcripts
    from emoasr.inference import compilation_cache
    from emoasr.recognizer import load_recognizer

    compilation_cache.enable_cache()
    opened = load_recognizer(recognizer or None)
    opened.decoder(beam_size, language_weight)  # an error of it is not one of each file
    failed = len(files) - len(there)
    writer = transcript_files.Writer(kind)
    confidences: list[float] = []
    for file in there:
        try:
            if output:
                writer = transcript_files.Writer(kind)
            heard, seconds = _heard(opened, file, beam_size, language_weight)
            text = writer(file, heard, seconds)
            confidences.append(heard.confidence)
        except UserError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        if output:
            write_atomically(places_of[file], text)
        else:
            print(text, end="", flush=True)
    if doubt := transcripts.doubt_of_all(confidences):
        print(f"warning: {doubt}", file=sys.stderr)
    return failed


def _heard(opened, file: str, beam_size: int, language_weight: float):
    """A file's transcript and its duration; prints a warning where it is to be doubted."""
    from emoasr.asr import transcripts
    from emoasr.audio import reading

    path = file if "://" in file else str(places.local(file))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning that follows names the file
        heard = opened.transcribe(path, beam_size, language_weight, words=True).iloc[0]
    if doubt := transcripts.doubt(heard["confidence"]):
        print(f"warning: {file}: {doubt}", file=sys.stderr)
    seconds = reading.duration(reading.Segment(storage.path(path)))
    return transcripts.Transcript(**heard), seconds


def _outputs(files: list[str], kind: str, output: str) -> dict[str, Path]:
    """Where each file's transcript is written; none is there yet, and no two are the same."""
    if not output:
        if len(files) > 1 and kind in ONE_A_FILE:
            raise UserError(
                f"--format={kind}: of {len(files)} files only with --output=FOLDER, a file each"
            )
        return {}
    folder = place_of(output, "--output")
    found = {file: folder / f"{PurePosixPath(file).stem}.{SUFFIXES[kind]}" for file in files}
    counts = Counter(found.values())
    for file, place in found.items():
        if counts[place] > 1:
            raise UserError(
                f"{one_line(file)}: another file's transcript has the name {place.name}"
            )
    ensure_folder(folder)
    for place in found.values():
        check_name(place, str(place))
        if place.exists():
            raise UserError(f"{place}: is there already; remove it, or take another --output")
    return found


def _is_there(file: str) -> bool:
    """Whether there is such a file on disk; stores are not asked yet."""
    try:
        storage.check_utf8(file, file)
        if "://" not in file:
            storage.check_there(storage.path(file), file)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    return True


def command(arguments: Sequence[str] | None = None) -> int:
    """Runs `emoasr transcribe` with arguments, those of this process if None; gives the status."""
    return cli.enter(_run, arguments)


def _run(arguments: list[str]) -> int:
    values = cli.new_flags()
    flags.DEFINE_string(
        "recognizer", "", "A recognizer's folder, URL or name; default: the shipped one.", values
    )
    flags.DEFINE_enum(
        "format", "txt", FORMATS, "Of the transcripts, see above.", flag_values=values
    )
    flags.DEFINE_string(
        "output", "", "Folder for a file a transcript; else they are printed.", values
    )
    flags.DEFINE_integer(
        "beam_size", 1, "1: greedy; more: beam search over so many prefixes.", 1, flag_values=values
    )
    flags.DEFINE_float(
        "language_weight", LANGUAGE_WEIGHT, "Of the language model; 0: without it.", 0,
        flag_values=values,
    )  # fmt: skip
    files = cli.parse(values, arguments)
    if values.help:
        print(f"{__doc__}\nFlags:\n{cli.describe(values)}")
        return 0
    if values["language_weight"].present and values.language_weight and values.beam_size == 1:
        lacks = "--language_weight has an effect only with --beam_size=2 or more"
        print(f"warning: {lacks}; see --help", file=sys.stderr)
    options = values.recognizer, values.format, values.output
    return int(main(files, *options, values.beam_size, values.language_weight) > 0)


if __name__ == "__main__":
    raise SystemExit(command())
