"""Transcribes files: CTC decoding, greedy, or by beam search with a language model.

    python -m emoasr.transcribe a.wav b.flac
    python -m emoasr.transcribe --times --recognizer=runs/p/pretrain/recognizer a.wav
    python -m emoasr.transcribe --beam_size=50 a.wav
    python -m emoasr.transcribe --beam_size=50 --language_weight=0 a.wav

Greedy decoding spells by ear alone. Beam search weighs that against the language model of the
recognizer, if it has one. Prints a line a file as soon as it is done: its name, a tab and the
text; with --times a JSON object, with the second where each character is first heard. A file that
cannot be read is named on stderr, the others go on, and the exit status is 1.
"""

from emoasr.system import interrupts

if __name__ == "__main__":  # before the other imports, which take time
    interrupts.prepare()

import json
import sys
from collections.abc import Sequence

from absl import flags

from emoasr import cli
from emoasr.errors import UserError, one_line
from emoasr.files import places, storage
from emoasr.settings.choices import LANGUAGE_WEIGHT


def main(
    files: list[str],
    recognizer: str,
    times: bool,
    beam_size: int = 1,
    language_weight: float = LANGUAGE_WEIGHT,
) -> int:
    """Prints the transcripts of `files`; returns how many could not be read.

    Args:
        files: paths or URLs.
        recognizer: a recognizer's folder, URL or name; empty: the shipped one.
        times: whether to print JSON with the time of each character.
        beam_size: as for `Recognizer.transcribe`.
        language_weight: likewise.

    Raises:
        UserError: no file is given, the recognizer cannot be opened, no such beam search.
    """
    if not files:
        raise UserError("name the files: python -m emoasr.transcribe FILE ... (see --help)")
    if "://" not in recognizer:
        places.of_recognizer(recognizer)
    n_files, files = len(files), [file for file in files if _is_there(file)]
    if not files:
        return n_files
    from emoasr.asr import decoding
    from emoasr.inference import compilation_cache
    from emoasr.recognizer import load_recognizer
    from emoasr.system import limits

    if beam_size > 1:
        decoding.BeamSearch(beam_size, None)  # complains of a missing library, once
    compilation_cache.enable_cache()
    with limits.errors_in_one_line():
        opened = load_recognizer(recognizer or None)
    failed = n_files - len(files)
    for file in files:
        try:
            path = file if "://" in file else str(places.local(file))
            heard = opened.transcribe(path, beam_size, language_weight).iloc[0]
        except UserError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        if times:
            print(json.dumps({"file": file, "text": heard["text"], "times": heard["times"]}))
        else:
            print(f"{file}\t{heard['text']}", flush=True)
    return failed


def _is_there(file: str) -> bool:
    """Whether there is such a file on disk; stores are not asked yet."""
    try:
        file.encode()
        if "://" not in file:
            storage.check_there(storage.path(file), file)
    except UnicodeEncodeError:
        print(f"error: {one_line(file)}: the name is not UTF-8; rename the file", file=sys.stderr)
        return False
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
    flags.DEFINE_bool("times", False, "Print JSON, with the time of each character.", values)
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
    options = values.recognizer, values.times, values.beam_size, values.language_weight
    return int(main(files, *options) > 0)


if __name__ == "__main__":
    raise SystemExit(command())
