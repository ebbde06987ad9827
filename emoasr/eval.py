r"""Compares feature sets: how well does each predict the labels of unseen speakers?

    python -m emoasr.eval --workdir=runs/emotale
    python -m emoasr.eval --config=configs/emotale.py --workdir=runs/emotale
    python -m emoasr.eval --workdir=runs/emotale --config.eval.n_selected=50
    python -m emoasr.eval --workdir=runs/emotale --config.eval.regressor=ridge \
        --config.eval.n_selected=0
    python -m emoasr.eval --workdir=runs/emotale --config.eval.targets=emotion
    python -m emoasr.eval --workdir=runs/emotale --config.eval.battery=True
    python -m emoasr.eval --workdir=runs/emotale \
        --config.feature_sets=neural,egemaps,elsewhere/whisper.parquet
    python -m emoasr.eval --workdir=runs/emotale \
        --config.feature_sets=neural,egemaps,neural+egemaps
    python -m emoasr.eval --workdir=runs/emotale --config.eval.predictions=finetuned=runs/f

`--workdir` is a folder that `python -m emoasr.extract` has filled; without `--config`, the
configuration stored there is used. A feature set may also be the path of a table from another
program (Parquet or CSV, indexed as in audformat), or `A+B`, the columns of two sets that are listed
too, which shows whether one adds to the other. `--config.eval.battery=True` adds ablations and
controls: untrained networks, permuted labels, leaky selection, other protocols and regressors,
numbers of features, single layers.

Targets are columns of the labels. Numbers are predicted by `config.eval.regressor`, classes (such
as emotion) by logistic regression.

Prints a table like the paper's table 1, with 95 % intervals by bootstrap over speakers, and writes
`report.html`, `report.md`, `results.json`, `predictions.parquet`, `selected.parquet`,
`correlations.parquet`, `figures/` and `predictors/SET/` (for `emoasr predict`) into the folder
`eval/NAME` of the workdir, and `eval/index.html`, which shows the run's evaluations side by side.
NAME is `config.eval.name`, else made of what was asked, such as `linear-100` or `ridge-all`.
"""

from emoasr.system import interrupts

if __name__ == "__main__":  # before the other imports, which take time
    interrupts.prepare()

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_collections

from emoasr import cli
from emoasr.config import experiment
from emoasr.files.writing import workdir_of
from emoasr.settings import choices, configurations, evaluation, evaluation_name, fields

if TYPE_CHECKING:
    from emoasr.evaluation import cross_corpus, predicted
    from emoasr.extraction.outcome import Outcome


def main(config: ml_collections.ConfigDict, workdir: Path | str, overwrite: bool = False) -> None:
    """Evaluates the feature tables in `workdir`, writes the results and prints the main table.

    Args:
        config: `feature_sets`, `workers`, `eval`, and of `corpus` `kind` and `consistent`, by which
            the paper's own numbers stand beside these.
        workdir: folder that `emoasr.extract` has filled.
        overwrite: whether finished work of another run in `workdir` may be replaced.

    Raises:
        UserError: a table is missing or cannot be evaluated, or a setting is wrong.
    """
    workdir = workdir_of(workdir)
    fields.check(config, "config", experiment)
    asked = evaluation.check(config, workdir)
    _evaluate(config, asked, workdir, overwrite)


def _evaluate(
    config: ml_collections.ConfigDict, asked: evaluation.Asked, workdir: Path, overwrite: bool
) -> None:
    from emoasr import report
    from emoasr.corpora.base import RATINGS
    from emoasr.evaluation.correlation import maps_of
    from emoasr.evaluation.evaluate import evaluate
    from emoasr.files import parquet
    from emoasr.files.finished import check_same_evaluation
    from emoasr.files.writing import ensure_folder, write_atomically
    from emoasr.prediction.keeping import keep
    from emoasr.report import overview, terminal
    from emoasr.report.provenance import provenance

    started, folder, workers = time.monotonic(), asked.folder, asked.workers
    inputs, data = _read(config, workdir, asked.train_workdir)
    given = {name: _predicted(path) for name, path in asked.predictions.items()}
    source = _made_from(asked, data, given, config.eval.within_corpus)
    defaults = configurations.leaves(experiment("").eval, "config.eval.")
    is_new = check_same_evaluation(folder, source, overwrite, defaults)
    ensure_folder(folder / "figures")
    found = evaluate(data.tables, data.labels, config.eval, workers, asked.sums, given)
    maps = maps_of(inputs.tables, inputs.labels, config.eval.targets, RATINGS)
    seconds = time.monotonic() - started
    made = provenance(config.to_dict(), inputs.extraction, inputs.metadata, source, seconds)
    results = found.results(made, inputs.extraction["skipped"], data.said, data.notes)
    summary = terminal.summary(results)
    if is_new:  # else predictors of a former one would seem to be its own, and it finished
        (folder / "results.json").unlink(missing_ok=True)
        shutil.rmtree(folder / "predictors", ignore_errors=True)
    parquet.write(found.predictions, folder / "predictions.parquet")
    parquet.write(found.selected, folder / "selected.parquet")
    page = report.write(results, found.predictions, found.selected, maps, data.labels, folder)
    metadata = {} if asked.train_workdir else inputs.metadata  # of two corpora none is kept
    kept = keep(found.datasets, metadata, config.eval, results, folder / "predictors", workers)
    # last: where it is, the evaluation is finished
    text = json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / "results.json", text + "\n")
    beside = folder.parent / evaluation_name.OVERVIEW
    write_atomically(beside, overview.render(folder.parent))
    print(summary, beside, sep="\n")
    for name in asked.sums:
        print(f"{name}: no predictor is kept of a sum, only of sets that one recognizer gives")
    print(*kept, page, sep="\n")


def _made_from(
    asked: evaluation.Asked,
    data: "cross_corpus.Joined",
    given: Mapping[str, "predicted.Predicted"],
    within_corpus: bool,
) -> dict[str, Any]:
    """What an evaluation is made from: settings, and digests of all that it reads."""
    from emoasr.corpora.base import RATINGS
    from emoasr.evaluation import cross_corpus, digests

    tables = cross_corpus.identifying(data.tables) if within_corpus else data.tables
    columns = (*asked.columns, *RATINGS)
    of_given = {f"predictions {name}": digests.of_table(one.table) for name, one in given.items()}
    return asked.made_from | digests.of_inputs(tables, data.labels, columns) | of_given


def _predicted(path: Path) -> "predicted.Predicted":
    """The predictions that a finetuning left."""
    from emoasr.errors import UserError
    from emoasr.evaluation import predicted
    from emoasr.files import parquet

    table, made = parquet.read(path)
    try:
        return predicted.Predicted(table, made["n_features"], made["protocol"], made["partner"])
    except KeyError:
        raise UserError(f"{path}: was not written by emoasr.finetune; run that again") from None


def _read(
    config: ml_collections.ConfigDict, workdir: Path, train_workdir: Path | None
) -> tuple["Outcome", "cross_corpus.Joined"]:
    """The run in `workdir`; and what is evaluated: that, or of cross-corpus both runs as one."""
    from emoasr.evaluation import cross_corpus
    from emoasr.extraction import outcome

    test = outcome.read(config.feature_sets, workdir)
    if train_workdir is None:
        said = {"standardised": how} if (how := choices.standardised(config.eval)) else {}
        return test, cross_corpus.Joined(test.tables, test.labels, said, [])
    train = outcome.read(config.feature_sets, train_workdir)
    outcome.check_comparable(train, test, train_workdir)
    extracted_with = train.extraction["config"].get("eval", {}).get("scale", ())
    scales = tuple(config.eval.train_scale or extracted_with), tuple(config.eval.scale)
    fit_on, tested = (
        cross_corpus.Run(run.extraction["corpus"]["name"], run.tables, run.labels, scale)
        for run, scale in zip((train, test), scales, strict=True)
    )
    return test, cross_corpus.join(fit_on, tested, config.eval)


_COMMAND = cli.Command(
    "eval",
    __doc__,
    main,
    experiment,
    uses=("corpus.kind", "corpus.consistent", "feature_sets", "workers", "eval"),
)


def command(arguments: Sequence[str] | None = None) -> int:
    """Runs `emoasr eval` with arguments, those of this process if None; gives the status."""
    return cli.run(_COMMAND, arguments)


if __name__ == "__main__":
    raise SystemExit(command())
