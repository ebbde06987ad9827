"""Predicts arousal, valence and other ratings of recordings, and when in them they come about.

    python -m emoasr.predict a.wav b.flac
    python -m emoasr.predict --window=2 --hop=0.5 --output=windows.csv interview.wav
    python -m emoasr.predict --track --output=track.parquet interview.wav
    python -m emoasr.predict --page=interview.html interview.wav
    python -m emoasr.predict --predictor=runs/e/eval/ridge-all/predictors/neural FOLDER labels.csv
    python -m emoasr.predict --config=folder --config.corpus.path=DIR --workdir=runs/f

Takes files, folders of audio, and tables of files or segments (CSV or Parquet: `file`, perhaps
`start`, `end`), or, for corpora of any size, a configuration and a workdir as `emoasr.extract`
does: then it extracts the features by the same path (it continues, works in shards and on Ray), and
writes `predictions.parquet` into the workdir, one row an utterance or window.

Each prediction has an interval within which 90 % of new speakers' ratings lie. `beyond` is the
share of features beyond the range of the speech that the predictor was fitted on; a warning names
inputs where it is larger than for 99 % of that speech. With --track each frame has its
contribution: their mean over the recording is its prediction. --page writes a page to open in a
browser, without any network: it plays the recordings, with the courses of their contributions, what
was said, and the units that contribute most. What cannot be read is left out, and stderr says why.
"""

from emoasr.system import interrupts

if __name__ == "__main__":  # before the other imports, which take time
    interrupts.prepare()

import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags

import emoasr.extract
from emoasr import cli, config
from emoasr.audio import windows
from emoasr.errors import UserError, one_line
from emoasr.files import places
from emoasr.files.writing import ensure_folder
from emoasr.settings import shards

_SUFFIXES = (".csv", ".parquet", ".json")
_ONLY_FILES = "is for files, folders and tables, not for --config and --workdir"


def on_files(
    files: Sequence[str],
    overwrite: bool = False,
    *,
    predictor: str = "",
    recognizer: str = "",
    window: float | None = None,
    hop: float | None = None,
    track: bool = False,
    page: str = "",
    output: str = "",
) -> None:
    """Predicts files, folders and tables; prints a table, or writes it.

    Args:
        files: paths or URLs.
        overwrite: whether `output` may be replaced.
        predictor: as for `emoasr.load_predictor`; empty: the shipped one.
        recognizer: likewise.
        window: as for `Predictor.predict`.
        hop: likewise.
        track: whether to give what every frame contributes, instead of predictions.
        page: a file, `.html`: a page that plays the recordings; empty: none.
        output: a file, `.csv`, `.parquet` or `.json`; empty: print.

    Raises:
        UserError: a flag, file or predictor that cannot be used, or nothing that could be read.
    """
    if not files:
        raise UserError(
            "name files, folders or tables: python -m emoasr.predict FILE ...; or give --config "
            "and --workdir (see --help)"
        )
    _check(predictor, recognizer, window, hop, track, page)
    target = _output("output", output, _SUFFIXES, overwrite) if output else None
    player = _output("page", page, (".html",), overwrite) if page else None
    from emoasr.corpora import named
    from emoasr.prediction import tables
    from emoasr.prediction.saved import known_speakers
    from emoasr.predictor import load_predictor

    corpus = named.of(files)
    opened = load_predictor(predictor or None, recognizer or None)
    rows = corpus.table.index
    if track:
        opened.check_tracks()
    with warnings.catch_warnings(action="ignore"):  # they are in `attrs`, and printed from there
        if track:
            table = opened.track(rows, on_error="skip")
        elif player:
            table = opened.page(rows, player, on_error="skip")
        else:
            table = opened.predict(rows, window, hop, on_error="skip")
    skipped = [f"{one_line(s.file)}: {s.reason}" for s in corpus.skipped]
    skipped += [s["reason"] for s in table.attrs.pop("skipped")]
    _say("skipped", skipped)
    _say("warning", [*table.attrs.pop("warnings", []), *known_speakers(opened, corpus.table)])
    if table.empty:
        raise UserError(f"none of {len(rows)} inputs could be read")
    if target:
        tables.write(table, target, {"predictor": opened.digest})
        print(f"{output}: {len(table)} rows")
    else:
        print(tables.track_text(table) if track else tables.text(table, opened.targets))
    if player:
        print(page)


def main(
    config: ml_collections.ConfigDict,
    workdir: Path | str,
    overwrite: bool = False,
    *,
    predictor: str = "",
    recognizer: str = "",
    window: float | None = None,
    hop: float | None = None,
    track: bool = False,
    page: str = "",
    output: str = "",
    extract: Callable[..., None] = emoasr.extract.main,
) -> None:
    """Extracts the features of a corpus as `emoasr.extract` does, and predicts every utterance.

    Args:
        config: as of `emoasr.extract.main`; feature set, tap and pooling are the predictor's.
        workdir: the run's folder.
        overwrite: whether finished work of another run in `workdir` may be replaced.
        predictor: as for `on_files`.
        recognizer: likewise; empty: `config.recognizer`.
        window: as for `on_files`; None: `config.corpus.window`.
        hop: likewise.
        track: must be False: tracks are for files.
        page: must be empty: likewise.
        output: as for `on_files`; empty: `predictions.parquet` in the run's folder.
        extract: `emoasr.extract.main`, or `merge`.

    Raises:
        UserError: as `emoasr.extract.main`, or the predictor cannot be used.
    """
    if track or page:
        raise UserError(f"--{'track' if track else 'page'}: {_ONLY_FILES}")
    recognizer = recognizer or config.recognizer
    _check(predictor, recognizer, window, hop)
    shard = shards.asked(config)
    folder = shard.folder(places.local(workdir)) if shard else places.local(workdir)
    given = _output("output", output, _SUFFIXES, overwrite) if output else None
    target = given or folder / "predictions.parquet"
    from emoasr.asr import saved as recognizers
    from emoasr.prediction import corpora, saved

    found = saved.load(predictor or None)
    saved.check_recognizer(found, recognizers.load(recognizer or None))
    corpora.check_unfinished(target, found, overwrite)
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.feature_sets, config.recognizer = ("neural",), recognizer
        config.tap, config.pooling = found.record.features.tap, found.record.features.pooling
        if window is not None:
            config.corpus.window, config.corpus.hop = window, hop or 0.0
    extract(config, workdir, overwrite)
    lines = corpora.predict(found, folder, target)
    print(f"{target}: predictions of {', '.join(found.record.targets)}")
    _say("warning", lines)


def merge(
    config: ml_collections.ConfigDict, workdir: Path | str, overwrite: bool = False, **options: Any
) -> None:
    """Joins the tables of all shards (--config.shard), and predicts the whole corpus from them."""
    main(config, workdir, overwrite, **options, extract=emoasr.extract.merge)


def _check(
    predictor: str,
    recognizer: str,
    window: float | None,
    hop: float | None,
    track: bool = False,
    page: str = "",
) -> None:
    """Checks flags before anything heavy is imported; stores are not asked yet."""
    windows.parse(window, hop)
    if track and page:
        raise UserError("--page: shows the track already; give --track or --page")
    if (track or page) and window is not None:
        raise UserError(f"--{'track' if track else 'page'}: gives every frame, takes no --window")
    if "://" not in predictor:
        places.of_predictor(predictor)
    if "://" not in recognizer:
        places.of_recognizer(recognizer)


def _output(flag: str, given: str, suffixes: Sequence[str], overwrite: bool) -> Path:
    """The file that a flag names, which can be written."""
    path = places.local(given)
    if path.suffix.lower() not in suffixes:
        raise UserError(f"--{flag}={given}: must end in {', '.join(suffixes)}")
    if path.exists() and not overwrite:
        raise UserError(f"--{flag}={given}: is there already; give another name, or --overwrite")
    ensure_folder(path.parent)
    return path


def _say(kind: str, lines: Iterable[str]) -> None:
    for line in lines:
        print(f"{kind}: {line}", file=sys.stderr)


def _options(values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "predictor", "", "A predictor's folder, as eval writes them, its URL, or the name of a "
        "shipped one; default: emotale.", values,
    )  # fmt: skip
    flags.DEFINE_string(
        "recognizer", "", "The folder, URL or name of the recognizer whose features the predictor "
        "was fitted on; default: the shipped one.", values,
    )  # fmt: skip
    flags.DEFINE_float(
        "window", None, "Seconds; predict windows, each as a recording of its own.",
        flag_values=values,
    )  # fmt: skip
    flags.DEFINE_float(
        "hop", None, "Seconds from one window to the next; default: a window.", flag_values=values
    )
    flags.DEFINE_bool("track", False, "Give what each frame contributes.", values)
    flags.DEFINE_string(
        "page", "", "File to write, .html: a page that plays the recordings, with the courses of "
        "their ratings. Sound of up to 2 minutes lies within it, longer files are played from "
        "where they are; at most 500 recordings.", values,
    )  # fmt: skip
    flags.DEFINE_string(
        "output", "", "File to write: .csv, .parquet or .json; default: print a table, or with a "
        "workdir its predictions.parquet.", values,
    )  # fmt: skip


_COMMAND = cli.Command(
    "predict",
    __doc__,
    main,
    config.experiment,
    uses=(
        "corpus", "recognizer", "batch_frames", "buckets", "compute_dtype", "workers", "engine",
        "ray", "shard",
    ),
    lock_name=shards.lock_name,
    instead={"merge": merge},
    options=_options,
    on_files=on_files,
)  # fmt: skip


def command(arguments: Sequence[str] | None = None) -> int:
    """Runs `emoasr predict` with arguments, those of this process if None; gives the status."""
    return cli.run(_COMMAND, arguments)


if __name__ == "__main__":
    raise SystemExit(command())
