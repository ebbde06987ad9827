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

from emoasr import interrupts

if __name__ == "__main__":  # before the other imports, which take time
    interrupts.prepare()

import json
import sys

from absl import app, flags, logging

from emoasr import compilation, decoding
from emoasr.checkpoint import load_recognizer
from emoasr.errors import UserError


def main(
    files: list[str],
    recognizer: str,
    times: bool,
    beam_size: int = 1,
    language_weight: float = decoding.WEIGHT,
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
    if beam_size > 1:
        decoding.BeamSearch(beam_size, None)  # complains of a missing library, once
    opened, failed = load_recognizer(recognizer or None), 0
    for file in files:
        try:
            heard = opened.transcribe(file, beam_size, language_weight).iloc[0]
        except UserError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        if times:
            print(json.dumps({"file": file, "text": heard["text"], "times": heard["times"]}))
        else:
            print(f"{file}\t{heard['text']}", flush=True)
    return failed


@interrupts.handled()
def _run(argv: list[str]) -> int:
    logging.set_verbosity(logging.ERROR)
    compilation.keep()
    try:
        given = flags.FLAGS
        options = given.recognizer, given.times, given.beam_size, given.language_weight
        return int(main(argv[1:], *options) > 0)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    flags.DEFINE_string(
        "recognizer", "", "A recognizer's folder, URL or name; default: the shipped one."
    )
    flags.DEFINE_bool("times", False, "Print JSON, with the time of each character.")
    flags.DEFINE_integer(
        "beam_size", 1, "1: greedy; more: beam search over so many prefixes.", lower_bound=1
    )
    flags.DEFINE_float(
        "language_weight", decoding.WEIGHT, "Of the language model; 0: without it.", lower_bound=0
    )
    app.run(_run)
