"""Predicts arousal, valence and other ratings of recordings, and how each moment contributes.

    python -m emoasr.predict a.wav b.flac
    python -m emoasr.predict --window=2 --hop=0.5 --output=windows.csv interview.wav
    python -m emoasr.predict --track --output=track.parquet interview.wav
    python -m emoasr.predict --page=interview.html interview.wav
    python -m emoasr.predict --predictor=runs/e/eval/ridge-all/predictors/neural FOLDER labels.csv
    python -m emoasr.predict --config=folder --config.corpus.path=DIR --workdir=runs/f

Takes files, folders of audio, and tables of files or segments (CSV or Parquet: `file`, perhaps
`start`, `end`). For corpora of any size it takes a configuration and a workdir instead, like
`emoasr.extract`: it extracts the features in the same way (a stopped run continues; in shards, on
Ray), and writes `predictions.parquet` into the workdir, one row per utterance or window.

Each rating has an interval that contains 90 % of new speakers' ratings. `beyond` is the share of
features beyond the range of the speech that the predictor was fitted on; a warning names inputs
where it is larger than for 99 % of that speech. --track gives the contribution of each frame: their
mean over the recording is its prediction. --page writes a page to open in a
browser, without any network: it plays the recordings, with the courses of their contributions, what
was said, and the units that contribute most. What cannot be read is left out, and stderr says why.
"""

from emoasr.system import interrupts

if __name__ == "__main__":  # before the other imports, which take time
    interrupts.prepare()

import contextlib
import dataclasses
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
from emoasr.files.writing import file_of, workdir_of
from emoasr.settings import shards
from emoasr.system import output

_SUFFIXES = (".csv", ".parquet", ".json")
_ONLY_FILES = "is for files, folders and tables, not for --config and --workdir"


@dataclasses.dataclass(frozen=True)
class Options:
    """The options of a prediction, besides its inputs; checked before anything heavy is imported.

    Attributes:
        predictor: as for `emoasr.load_predictor`; empty: the shipped one.
        recognizer: likewise; of a corpus, empty: `config.recognizer`.
        window: as for `Predictor.predict`; of a corpus, None: `config.corpus.window`.
        hop: likewise.
        track: whether to give what every frame contributes, instead of predictions; only of files.
        page: a file, `.html`: a page that plays the recordings; empty: none; only of files.
        output: a file, `.csv`, `.parquet` or `.json`; empty: print, or of a corpus
            `predictions.parquet` in the run's folder.

    Raises:
        UserError: a value cannot be used, or two exclude each other; stores are not asked yet.
    """

    predictor: str = ""
    recognizer: str = ""
    window: float | None = None
    hop: float | None = None
    track: bool = False
    page: str = ""
    output: str = ""

    def __post_init__(self):
        windows.parse(self.window, self.hop)
        if self.track and self.page:
            raise UserError("--page: shows the track already; give --track or --page")
        if (self.track or self.page) and self.window is not None:
            flag = "track" if self.track else "page"
            raise UserError(f"--{flag}: gives every frame, takes no --window")
        if "://" not in self.predictor:
            places.of_predictor(self.predictor)
        if "://" not in self.recognizer:
            places.of_recognizer(self.recognizer)


def on_files(files: Sequence[str], overwrite: bool = False, **options: Any) -> None:
    """Predicts files, folders and tables; prints a table, or writes it.

    Args:
        files: paths or URLs.
        overwrite: whether `output` and `page` may be replaced.
        **options: fields of `Options`.

    Raises:
        UserError: a flag, file or predictor that cannot be used, or nothing that could be read.
    """
    if not files:
        raise UserError(
            "name files, folders or tables: python -m emoasr.predict FILE ...; or give --config "
            "and --workdir (see --help)"
        )
    asked = Options(**options)
    target = _output("output", asked.output, _SUFFIXES, overwrite, files)
    player = _output("page", asked.page, (".html",), overwrite, files)
    from emoasr.corpora import named
    from emoasr.prediction import tables
    from emoasr.prediction.saved import known_speakers
    from emoasr.predictor import load_predictor

    corpus = named.of(files)
    opened = load_predictor(asked.predictor or None, asked.recognizer or None)
    table = _computed(opened, corpus.table.index, asked, player)
    skipped = [f"{one_line(s.file)}: {s.reason}" for s in corpus.skipped]
    skipped += [s["reason"] for s in table.attrs.pop("skipped")]
    _say("skipped", skipped)
    _say("warning", [*table.attrs.pop("warnings", []), *known_speakers(opened, corpus.table)])
    if table.empty:
        raise UserError(f"none of {output.counted(len(corpus.table), 'input')} could be read")
    if target:
        tables.write(table, target, {"predictor": opened.digest})
        print(f"{asked.output}: {output.counted(len(table), 'row')}")
    else:
        print(tables.track_text(table) if asked.track else tables.text(table, opened.targets))
    if player:
        print(asked.page)


def _computed(opened, rows, asked: Options, player: Path | None):
    """The table that is asked for; its `attrs` hold warnings, and inputs that were skipped."""
    if asked.track:
        opened.check_tracks()
    with warnings.catch_warnings(action="ignore"):
        if asked.track:
            return opened.track(rows, on_error="skip")
        if player:
            return opened.page(rows, player, on_error="skip")
        return opened.predict(rows, asked.window, asked.hop, on_error="skip")


def main(
    config: ml_collections.ConfigDict,
    workdir: Path | str,
    overwrite: bool = False,
    *,
    extract: Callable[..., None] = emoasr.extract.main,
    **options: Any,
) -> None:
    """Extracts the features of a corpus as `emoasr.extract` does, and predicts every utterance.

    Args:
        config: as of `emoasr.extract.main`; feature set, tap and pooling are the predictor's.
        workdir: the run's folder.
        overwrite: whether finished work of another run in `workdir` may be replaced.
        extract: `emoasr.extract.main`, or `merge`.
        **options: fields of `Options`.

    Raises:
        UserError: as `emoasr.extract.main`, or the predictor or an option cannot be used.
    """
    asked = Options(**options)
    if asked.track or asked.page:
        raise UserError(f"--{'track' if asked.track else 'page'}: {_ONLY_FILES}")
    if asked.window is not None and asked.hop is None and config.corpus.hop:
        raise UserError(
            f"config.corpus.hop={config.corpus.hop:g}: belongs to config.corpus.window; with "
            "--window give --hop"
        )
    asked = dataclasses.replace(asked, recognizer=asked.recognizer or config.recognizer)
    shard = shards.asked(config)
    folder = workdir_of(workdir)
    folder = shard.folder(folder) if shard else folder
    given = _output("output", asked.output, _SUFFIXES, overwrite, [config.corpus.get("path", "")])
    target = given or folder / "predictions.parquet"
    from emoasr.asr import saved as recognizers
    from emoasr.prediction import corpora, saved

    found = saved.load(asked.predictor or None)
    saved.check_recognizer(found, recognizers.load(asked.recognizer or None))
    if found.model.attention:
        raise UserError(
            "--config: extract has no features of this predictor, which are pooled by attention; "
            "name the files, folders or tables of the corpus instead"
        )
    corpora.check_unfinished(target, found, overwrite)
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.feature_sets, config.recognizer = ("neural",), asked.recognizer
        config.tap, config.pooling = found.record.features.tap, found.record.features.pooling
        if asked.window is not None:
            config.corpus.window, config.corpus.hop = asked.window, asked.hop or 0.0
    extract(config, workdir, overwrite)
    lines = corpora.predict(found, folder, target)
    print(f"{target}: predictions of {', '.join(found.record.targets)}")
    _say("warning", lines)


def merge(
    config: ml_collections.ConfigDict, workdir: Path | str, overwrite: bool = False, **options: Any
) -> None:
    """Joins the tables of all shards (--config.shard), and predicts the whole corpus from them."""
    shards.check_none(config)
    main(config, workdir, overwrite, extract=emoasr.extract.merge, **options)


def _output(
    flag: str, given: str, suffixes: Sequence[str], overwrite: bool, inputs: Iterable[str]
) -> Path | None:
    """The file that a flag names, which can be written; None: the flag is not given."""
    if not given:
        return None
    if Path(given).suffix.lower() not in suffixes:
        raise UserError(f"--{flag}={given}: must end in {', '.join(suffixes)}")
    path = file_of(given, f"--{flag}")
    if any(_is_same(path, name) for name in inputs):
        raise UserError(
            f"--{flag}={given}: is one of the inputs and would be lost; give another name"
        )
    if path.exists() and not overwrite:
        raise UserError(f"--{flag}={given}: is there already; give another name, or --overwrite")
    return path


def _is_same(path: Path, given: str) -> bool:
    """Whether a path is the file that the user gave; URLs of stores and missing files are not."""
    # there is no such file, or such a name is impossible
    with contextlib.suppress(OSError, ValueError):
        return bool(given) and path.samefile(places.local(given.removeprefix("file://")))
    return False


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
