"""Results of the folds: predictions of test speakers, and a predictor of all speakers.

Shape suffixes: N utterances, D pooled features, T ratings.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import ml_collections
import numpy as np
import pandas as pd
from flax import nnx

from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.networks.base import Network
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.asr.saved import SavedRecognizer
from emoasr.corpora import Corpus
from emoasr.evaluation import predicted
from emoasr.evaluation.comparison import Comparison
from emoasr.evaluation.dataset import Dataset
from emoasr.evaluation.predicted import Frames, Predicted
from emoasr.evaluation.splits import speaker_folds
from emoasr.files import parquet
from emoasr.finetuning import training
from emoasr.finetuning.examples import Examples
from emoasr.finetuning.run_folder import RunFolder, Task
from emoasr.finetuning.training import Material, Schedule, Trained
from emoasr.prediction import card, fitting
from emoasr.prediction import saved as predictors
from emoasr.prediction.manifest import Features, Record
from emoasr.prediction.model import Model, Target
from emoasr.report import wording
from emoasr.report.provenance import version
from emoasr.settings.choices import END_TO_END
from emoasr.settings.finetuning import PLACES
from emoasr.system import output

NAME = "finetuned"

_INTERVALS = (
    "the bounds are one network's prediction and the errors of others, trained in the same way, on "
    "speakers left out (jackknife): unlike CV+, without a guarantee"
)


class Run(NamedTuple):
    """A finetuning whose folds are finished.

    Attributes:
        config: all settings.
        folder: of the run.
        corpus: its utterances and audio.
        found: its examples and folds.
        recognizer: that training started from.
        tap: activations that are pooled.
    """

    config: ml_collections.ConfigDict
    folder: RunFolder
    corpus: Corpus
    found: Examples
    recognizer: SavedRecognizer
    tap: str


def of_predictor(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """The settings that affect the predictor, but no fold, as JSON."""
    return {
        "seed": int(config.finetune.seeds[0]),
        "scale": [*map(float, config.eval.scale)],
        "terms": config.eval.terms,
        "limits": config.eval.limits,
    }


def keep(
    run: Run, material: Callable[[int], Material], schedule: Callable[[int], Schedule]
) -> None:
    """Puts all folds' predictions together, and trains a predictor on all speakers.

    Args:
        run: what was trained, and on what.
        material: of a seed.
        schedule: likewise.
    """
    config, folder, found = run.config, run.folder, run.found
    seeds, n_folds = tuple(map(int, config.finetune.seeds)), len(found.folds)
    read = [parquet.read(folder.fold(Task(s, number))) for s in seeds for number in range(n_folds)]
    table, folds = pd.concat([t for t, _ in read]), [made for _, made in read]
    first = material(seeds[0])
    n_features = first.speech.pooled_ND.shape[1]
    given = Predicted(table, n_features, config.eval.protocol, config.eval.partner)
    of_targets = {target: _frames(given, found, target, config) for target in found.targets}
    _print(of_targets, given, folds)
    n_epochs = int(np.median([made["epochs"] for made in folds[:n_folds]]))
    every = np.arange(len(found.ratings))
    how, what = schedule(seeds[0]), "all speakers"
    with folder.noting_failure():
        trained = training.train(first, found.ratings.to_numpy(), every, how, n_epochs, what)
        ratings_NT, x_ND = trained.predict(first.speech, every)
        training.finite(ratings_NT, f"{what}: a prediction", how)
    folder.check_own()
    kept = given.seeds.index(seeds[0])  # whose network that is
    of_seed = {target: frames.each[kept] for target, frames in of_targets.items()}
    _keep_predictor(run, first, trained, x_ND, of_seed)
    folder.write_predictions(table, {
        "protocol": given.protocol, "partner": given.partner, "n_features": n_features,
        "recognizer": run.recognizer.digest, "corpus": run.corpus.name, "folds": folds,
        "finetune": config.finetune.to_dict(), "predictor": of_predictor(config),
    })  # fmt: skip
    print(folder.predictions)


def _frames(
    given: Predicted, found: Examples, target: str, config: ml_collections.ConfigDict
) -> Frames:
    ratings = found.ratings[[target]].dropna()
    data = Dataset({}, ratings, found.groups.loc[ratings.index], tuple(config.eval.scale))
    return predicted.frames(data, given, NAME)[target]


def _print(
    of_targets: dict[str, Frames], given: Predicted, folds: Sequence[dict[str, Any]]
) -> None:
    config = given.config(NAME)
    for target, frames in of_targets.items():
        row = Comparison(target, {config: frames.mean}, {config: frames.each}).row(config)
        each = [Comparison(target, {config: frame}).metrics[config] for frame in frames.each]
        seeds = ", ".join(output.number(metrics["clipped_ccc"]) for metrics in each)
        of_seeds = f"; each seed {seeds}" * (len(each) > 1)
        print(f"{target}: CCC {wording.interval(row, 'clipped_ccc')}{of_seeds}")
    epochs = [made["epochs"] for made in folds]
    rates = sorted({made["learning_rate"] for made in folds})
    seconds = sum(made["seconds"] for made in folds)
    print(
        f"epochs chosen: {min(epochs)} to {max(epochs)}, median {np.median(epochs):g}; learning "
        f"rate {', '.join(f'{rate:g}' for rate in rates)}; {seconds / 60:.1f} minutes in all folds"
    )


def _keep_predictor(
    run: Run,
    material: Material,
    trained: Trained,
    x_ND: np.ndarray,
    of_seed: dict[str, pd.DataFrame],
) -> None:
    """Writes the predictor, and where any layer was trained the recognizer that it takes.

    Args:
        run: what was trained, and on what.
        material: of the first seed.
        trained: of that seed, on all speakers.
        x_ND: pooled features of all utterances.
        of_seed: predictions of that seed's folds, by rating.
    """
    config, found = run.config, run.found
    tuner, digest = trained.tuner, run.recognizer.digest
    if tuner.first < tuner.n_layers or config.finetune.init == "random":
        digest = _keep_recognizer(run, material, trained)
    fitted = fitting.fitted(x_ND, speaker_folds(found.groups, "in"))
    scale = tuple(map(float, config.eval.scale))
    model = Model(_targets(of_seed, trained), fitted, scale, trained.attention)
    settings = config.eval.copy_and_resolve_references()
    settings.update({"regressor": END_TO_END, "n_selected": 0})
    settings.limits = "; ".join(filter(None, (config.eval.limits, _INTERVALS)))
    provenance = {
        "corpus": {"name": run.corpus.name, "synthetic": run.corpus.synthetic},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in card.VERSIONS},
    }
    record = Record(
        Features(digest, run.tap, config.finetune.pooling),
        targets=tuple(of_seed),
        classes=((),) * len(of_seed),
        scale=model.scale,
        most_beyond=fitted.most_beyond,
        speakers=tuple(sorted(found.groups["speaker"].unique())),
        card=card.card(settings, fitted, _rows(of_seed, trained), provenance),
    )
    path = run.folder.path / "predictor"
    card.write(path, predictors.save(path, model, record))
    print(path)


def _keep_recognizer(run: Run, material: Material, trained: Trained) -> str:
    """Writes the network that was trained on all speakers; gives its digest."""
    model = material.network
    if trained.tuner.graph is not None:
        state = trained.state
        layers = state.params["layers"]
        model = nnx.merge(trained.tuner.graph, layers, state.statistics, trained.fixed.below)
    recognizer = run.recognizer
    frontend = cast(FrontEndConfig, recognizer.config.frontend)
    name = f"{recognizer.card.get('name', 'recognizer')}, finetuned on {run.corpus.name}"
    settings = run.config.finetune.to_dict() | {"from": recognizer.digest}
    about = {n: value for n, value in settings.items() if n not in PLACES}
    path = run.folder.path / "recognizer"
    said = {"name": name, "finetuned": about, **_recognition(material, model)}
    saved.save(path, cast(GatedConvNet, model), frontend, said)
    print(path)
    return saved.digest(model, frontend)


def _recognition(material: Material, finetuned: Network) -> dict[str, Any]:
    """Error rates on transcribed speech of the recognizer as it was, and as it is now."""
    if not (transcribed := material.transcribed):
        return {}
    before, after = map(transcribed.error_rates, (material.network, finetuned))
    cer, cer_after, wer, wer_after = (
        output.number(rates[name]) for name in ("cer", "wer") for rates in (before, after)
    )
    print(
        f"CER on the validation speakers of the transcribed speech: {cer} before, {cer_after} "
        f"after (WER {wer}, {wer_after})"
    )
    return {"recognition": {"before": before, "after": after}}


def _targets(of_seed: dict[str, pd.DataFrame], trained: Trained) -> tuple[Target, ...]:
    weights_DT, bias_T = trained.linear()
    found = []
    for t, (name, frame) in enumerate(of_seed.items()):
        errors = (frame["prediction"] - frame["label"]).abs()
        speakers_N = np.unique(frame["speaker"], return_inverse=True)[1]
        weights_D = weights_DT[:, t].astype(np.float32)
        found.append(
            Target(
                name,
                weights_D=weights_D,
                bias=float(bias_T[t]),
                fold_weights_FD=weights_D[None],
                fold_biases_F=bias_T[t : t + 1],
                errors_N=errors.to_numpy(np.float32),
                folds_N=np.zeros(len(errors), np.int32),
                speakers_N=speakers_N.astype(np.int32),
            )
        )
    return tuple(found)


def _rows(of_seed: dict[str, pd.DataFrame], trained: Trained) -> list[dict[str, Any]]:
    """Metrics of the folds of the seed whose network is kept."""
    n_features = len(trained.fixed.mean_D)
    rows = []
    for target, frame in of_seed.items():
        one = Predicted(frame, n_features, "", "").config(NAME)
        rows.append(Comparison(target, {one: frame}).row(one))
    return rows
