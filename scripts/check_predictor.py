"""Measures what the page on predictors states, on EmoTale or another rated corpus.

    python scripts/check_predictor.py coverage --workdir=runs/e
    python scripts/check_predictor.py languages --workdir=runs/e
    python scripts/check_predictor.py tracks --workdir=runs/e
    python scripts/check_predictor.py joins --workdir=runs/e

`runs/e` is a run of `emoasr extract` with `neural` (`joins`: `egemaps` too). Predictors are fitted
as `emoasr eval --config.eval.regressor=ridge --config.eval.n_selected=0` fits them.

* coverage: each speaker is left out of everything, folds and intervals included; how many of its
  ratings lie within the intervals of the predictor of the others.
* languages: fitted on the utterances of one session (EmoTale: language), tried on the others.
* tracks: the largest difference between a track's mean and the unclipped prediction, over all
  utterances, and over a file of 20 minutes of them.
* joins: two utterances of one speaker with distant ratings, one after the other. A course steps
  where its mean over the second after a moment differs from that over the second before. Printed
  are: how often the step at the join has the right sign; its mean size as a share of the difference
  of the ratings; how often the course's largest step lies within half a second of the join, and how
  often it would by chance. Predictors are fitted without the speaker. Beside the track stand
  predictions of sliding windows of a second, from neural features and from eGeMAPS.
"""

import tempfile
from pathlib import Path

import audmetric
import numpy as np
import pandas as pd
import soundfile
from absl import app, flags

import emoasr
from emoasr import config
from emoasr.audio.reading import Segment, read
from emoasr.corpora.base import RATINGS
from emoasr.errors import UserError
from emoasr.evaluation.dataset import prepare
from emoasr.extraction import outcome
from emoasr.files import storage
from emoasr.inference.calls import Call
from emoasr.inference.frames import FrameFunction
from emoasr.prediction import fitting
from emoasr.prediction.contributions import Contributions
from emoasr.prediction.manifest import Features, Record
from emoasr.prediction.model import Model
from emoasr.predictor import Predictor
from emoasr.system import processes

RATE = 16000
SECONDS = 1.0  # of a window, or of a mean over a course
HOP = 0.1  # seconds
NEAR = 0.5  # seconds from the join
PAIRS = 3  # a speaker and target

_WORKDIR = flags.DEFINE_string("workdir", "", "Of an extraction.")
_SETS = {"coverage": ("neural",), "languages": ("neural",), "tracks": ("neural",),
         "joins": ("neural", "egemaps")}  # fmt: skip


def main(argv: list[str]) -> None:
    """Runs the check that `argv[1]` names."""
    if len(argv) != 2 or argv[1] not in _SETS:
        raise app.UsageError(f"give one of {', '.join(_SETS)}")
    if not _WORKDIR.value:
        raise app.UsageError("give --workdir")
    try:
        inputs = outcome.read(_SETS[argv[1]], Path(_WORKDIR.value))
        settings = config.experiment("table").eval
        settings.targets = tuple(t for t in RATINGS if t in inputs.labels)
        settings.regressor, settings.n_selected = "ridge", 0
        _check(argv[1], inputs.labels, settings.targets)
        globals()[argv[1]](inputs, settings)
    except UserError as error:
        raise SystemExit(f"error: {error}") from error


def _check(name: str, labels: pd.DataFrame, targets: tuple[str, ...]) -> None:
    """Refuses labels that a check has nothing to measure with."""
    column = "session" if name == "languages" else "speaker"
    if not targets:
        raise UserError(f"--workdir={_WORKDIR.value}: its labels have none of {', '.join(RATINGS)}")
    if column not in labels or labels[column].nunique() < 2:
        raise UserError(f"--workdir={_WORKDIR.value}: {name} needs labels of two {column}s or more")


def coverage(inputs: outcome.Outcome, settings) -> None:
    """Coverage of intervals, each speaker left out of everything."""
    table = inputs.tables["neural"]
    speakers = inputs.labels["speaker"].astype(str)
    found = []
    for speaker in sorted(speakers.unique()):
        model, _ = _fit(inputs, settings, "neural", inputs.labels[speakers != speaker])
        own = inputs.labels.index[speakers == speaker]
        found.append(model.predict(table.loc[own].to_numpy(), own))
        print(f"{speaker} left out", end="\r", flush=True)
    _print_tried(pd.concat(found), inputs.labels, settings.targets, "leaving each speaker out")


def languages(inputs: outcome.Outcome, settings) -> None:
    """From one session's utterances to another's."""
    sessions = inputs.labels["session"].astype(str)
    for session in sorted(sessions.unique()):
        model, _ = _fit(inputs, settings, "neural", inputs.labels[sessions == session])
        others = inputs.labels.index[sessions != session]
        predicted = model.predict(inputs.tables["neural"].loc[others].to_numpy(), others)
        _print_tried(predicted, inputs.labels, settings.targets, f"fitted on {session}")
        warned = (predicted["beyond"] > model.fitted.most_beyond).mean()
        print(f"  warned of: {warned:.1%} (beyond {model.fitted.most_beyond:.1%})")


def tracks(inputs: outcome.Outcome, settings) -> None:
    """Means of tracks against predictions."""
    predictor = _predictor(inputs, settings)
    paths = _paths(inputs)
    _print_difference(predictor, list(paths), "all utterances")
    waves = [read(Segment(Path(path))) for path in paths]
    wave = np.concatenate(waves * 40)[: 20 * 60 * RATE]
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/long.wav"
        soundfile.write(file, wave, RATE, subtype="FLOAT")
        _print_difference(predictor, [file], "a file of 20 minutes")


def joins(inputs: outcome.Outcome, settings) -> None:
    """Steps of courses where two utterances are joined."""
    predictor = _predictor(inputs, settings)
    egemaps, _ = _fit(inputs, settings, "egemaps", inputs.labels)
    speakers = inputs.labels["speaker"].astype(str)
    paths = dict(zip(inputs.labels.index, _paths(inputs), strict=True))
    courses = _Courses(predictor, egemaps)
    rows = []
    for k, target in enumerate(settings.targets[:2]):
        for number, speaker in enumerate(sorted(speakers.unique())):
            ratings = inputs.labels.loc[speakers == speaker, target]
            for first, second in _pairs(ratings):
                waves = [read(Segment(Path(paths[file]))) for file in (first, second)]
                change = float(ratings[second] - ratings[first])
                for name, course in courses.of(np.concatenate(waves), k, number).items():
                    found = _steps(*course, len(waves[0]) / RATE, change)
                    rows.append({"target": target, "course": name, **found})
    table = pd.DataFrame(rows).groupby(["target", "course"], sort=False)
    print(table.mean().assign(joins=table.size()).round(3).to_string())


def _pairs(ratings: pd.Series) -> list[tuple]:
    """The lowest rated utterances and the highest, in turn low first and high first."""
    order = ratings.sort_values().index
    pairs = list(zip(order[:PAIRS], order[::-1][:PAIRS], strict=True))
    return [pair if i % 2 else pair[::-1] for i, pair in enumerate(pairs)]


class _Courses:
    """Courses of a rating by models that were fitted without the speaker."""

    def __init__(self, predictor: Predictor, egemaps: Model):
        import opensmile

        self._recognizer, self._models = predictor.recognizer, (predictor.model, egemaps)
        functionals = opensmile.FeatureLevel.Functionals
        self._smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, functionals)
        shape = self._recognizer.config.model
        folds = [t.fold_weights_FD.T for t in predictor.model.targets]
        weights_LCK = np.stack(folds, 1).reshape(shape.n_layers, shape.n_channels, -1)
        biases_K = np.stack([t.fold_biases_F for t in predictor.model.targets]).reshape(-1)
        arrays = weights_LCK, biases_K.astype(np.float32), None
        frontend = self._recognizer.config.frontend
        of_frames = Contributions(predictor.record.features.tap)
        self._function = FrameFunction(self._recognizer.model, frontend, of_frames, arrays)

    def of(self, wave_N: np.ndarray, k: int, fold: int) -> dict[str, tuple]:
        """Times and values of each course of target `k`, by the models of a fold."""
        frontend = self._recognizer.config.frontend
        call = Call((wave_N, RATE), frontend, "raise", False)
        (result,) = call.results(self._function)
        n_frames, n_folds = (
            result.arrays["frames"][0],
            len(self._models[0].targets[0].fold_biases_F),
        )
        track_T = result.arrays["values"][0, :n_frames, k * n_folds + fold]
        times_T = np.arange(n_frames) * frontend.hop_length / RATE
        starts = np.arange(0, len(wave_N) / RATE - SECONDS, HOP)
        smooth = [
            track_T[(times_T >= start) & (times_T < start + SECONDS)].mean() for start in starts
        ]
        windows = [wave_N[round(s * RATE) : round((s + SECONDS) * RATE)] for s in starts]
        neural = self._recognizer.features((windows, RATE), progress=False).to_numpy()
        functionals = [self._smile.process_signal(window, RATE).to_numpy()[0] for window in windows]
        sets = {"windows of neural": neural, "windows of eGeMAPS": np.array(functionals)}
        courses = {"track": (starts, np.array(smooth))}
        for (name, x_WD), model in zip(sets.items(), self._models, strict=True):
            target = model.targets[k]
            values_W = x_WD @ target.fold_weights_FD[fold] + target.fold_biases_F[fold]
            courses[name] = starts, values_W.clip(*model.scale)
        return courses


def _steps(starts: np.ndarray, values: np.ndarray, join: float, change: float) -> dict[str, float]:
    """What the steps of a course say of a join.

    Args:
        starts: of the seconds that each value is of.
        values: of the course.
        join: second of the join.
        change: of the rating.
    """
    second = round(SECONDS / HOP)
    steps, moments = values[second:] - values[:-second], starts[second:]
    at_join = np.interp(join, moments, steps)
    largest = moments[np.argmax(np.abs(steps))]
    return {
        "right_sign": at_join * change > 0,
        "share_of_change": at_join / change,
        "largest_is_near": abs(largest - join) <= NEAR,
        "by_chance": (np.abs(moments - join) <= NEAR).mean(),
    }


def _fit(inputs: outcome.Outcome, settings, name: str, labels: pd.DataFrame):
    datasets, _ = prepare(inputs.tables, labels, settings)
    return fitting.fit(datasets, settings, name, processes.count(0))


def _predictor(inputs: outcome.Outcome, settings) -> Predictor:
    """A predictor from neural features of all utterances."""
    model, speakers = _fit(inputs, settings, "neural", inputs.labels)
    made = inputs.metadata["neural"]
    features = Features(made["recognizer"], made["tap"], made["pooling"])
    most_beyond = model.fitted.most_beyond
    targets, scale = settings.targets, tuple(settings.scale)
    record = Record(features, targets, ((),) * len(targets), scale, most_beyond, speakers, {})
    recognizer = emoasr.load_recognizer(inputs.extraction["config"]["recognizer"] or None)
    return Predictor(model, record, "", recognizer)


def _paths(inputs: outcome.Outcome) -> list[str]:
    root = storage.path(inputs.extraction["corpus"]["path"])
    return [str(storage.joined(root, file)) for file in inputs.labels.index]


def _print_tried(predicted: pd.DataFrame, labels: pd.DataFrame, targets, what: str) -> None:
    print(f"{what}: {len(predicted)} utterances")
    for target in targets:
        truth = labels.loc[predicted.index, target]
        low, high = predicted[f"{target}_low"], predicted[f"{target}_high"]
        print(
            f"  {target}: CCC {audmetric.concordance_cc(truth, predicted[target]):.3f}, "
            f"coverage {((truth >= low) & (truth <= high)).mean():.3f}, "
            f"mean width {(high - low).mean():.2f}"
        )


def _print_difference(predictor: Predictor, paths: list[str], what: str) -> None:
    features = predictor.recognizer.features(paths, progress=False)
    predicted = predictor.model.unclipped(features.to_numpy())
    track = predictor.track(paths, progress=False)
    means = track.groupby("file", sort=False)[list(predictor.targets)].mean().loc[paths]
    print(
        f"{what}: mean of track - prediction, at most {np.abs(means - predicted).max().max():.1e}"
    )


if __name__ == "__main__":
    app.run(main)
