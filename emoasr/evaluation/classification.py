"""Classes instead of ratings: logistic regression, its metrics, and their sums by speaker."""

import numpy as np
import pandas as pd
import sklearn.metrics
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from emoasr.evaluation import splits
from emoasr.evaluation.metrics import Metrics, finite
from emoasr.settings.choices import group_folds, held_out
from emoasr.system.output import counted

LOGISTIC = "logistic"
SCORES = "logistic scores"  # the same model's scores before softmax, in place of its classes
MAJORITY = "commonest class"  # the baseline's constant prediction

METRICS = ("uar", "accuracy", "macro_f1")

_PENALTIES = np.logspace(-4, 0, 5)  # scikit-learn's C, the strongest penalty first
_INNER_FOLDS = 4


def rare(target: pd.Series, fewest: int) -> dict[str, str]:
    """Classes of fewer utterances than `config.eval.fewest_of_class`, and the reason in words."""
    counts = target.value_counts()
    return {
        str(name): f"{counted(n, 'utterance')}, fewer than config.eval.fewest_of_class={fewest}"
        for name, n in counts[counts < fewest].items()
    }


def unlearnable(
    target: pd.Series, groups: pd.DataFrame, protocol: str, partner: str
) -> dict[str, str]:
    """Classes that a training fold lacks although its test utterances have them, and why.

    Args:
        target: each utterance's class, text.
        groups: see `splits.split`.
        protocol: likewise.
        partner: likewise.
    """
    lacks_sessions = partner == "out" and "session" not in groups
    if lacks_sessions or groups[held_out(protocol)].nunique() < (group_folds(protocol) or 2):
        return {}  # cannot be split, as will be said
    class_N, found = target.to_numpy(object), {}
    what = "" if group_folds(protocol) else f"{held_out(protocol)} "
    for fold in splits.split(groups, protocol, partner):
        for name in sorted({*class_N[fold.test]} - {*class_N[fold.train]}):
            found[str(name)] = (
                f"no training speaker has this class when {what}{fold.name} is held out"
            )
    return found


class Logistic:
    """Logistic regression on standardised features, classes weighted to count the same.

    The penalty is the one with the highest unweighted average recall in inner folds, each without
    some of the training speakers; of equals, the strongest.
    """

    def __init__(self, speakers: np.ndarray):
        """Takes the speaker of each training utterance, (N,)."""
        self._speakers = speakers

    def fit(
        self,
        x_ND: np.ndarray,
        y_N1: np.ndarray,
        dev: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> "Logistic":
        """Chooses the penalty, then fits on all utterances.

        Args:
            x_ND: standardised features.
            y_N1: numbers of classes.
            dev: features and classes of a development set, which then takes the place of the inner
                folds.
        """
        y_N = y_N1.reshape(-1)
        self._only = y_N[0] if np.ptp(y_N) == 0 else None
        if self._only is None:
            penalty = self._inner(x_ND, y_N) if dev is None else _best([_recalls(x_ND, y_N, *dev)])
            self._model = _model(penalty).fit(x_ND, y_N)
        return self

    def predict(self, x_ND: np.ndarray) -> np.ndarray:
        """Numbers of classes, (N,)."""
        return (
            np.full(len(x_ND), self._only) if self._only is not None else self._model.predict(x_ND)
        )

    def scores(self, x_ND: np.ndarray) -> np.ndarray:
        """The classes' scores, (N, C), affine in the features; probabilities by softmax."""
        scores_NC = self._model.decision_function(x_ND)
        return scores_NC if scores_NC.ndim == 2 else np.stack([-scores_NC, scores_NC], axis=1) / 2

    def _inner(self, x_ND: np.ndarray, y_N: np.ndarray) -> float:
        n_folds = min(_INNER_FOLDS, len(np.unique(self._speakers)))
        splits = GroupKFold(n_folds).split(x_ND, groups=self._speakers) if n_folds > 1 else []
        return _best([
            _recalls(x_ND[train], y_N[train], x_ND[test], y_N[test])
            for train, test in splits
            if np.ptp(y_N[train]) > 0
        ])  # fmt: skip


class Scores(Logistic):
    """Gives scores in place of classes; needs two classes or more."""

    predict = Logistic.scores


def _best(recalls: list[list[float]]) -> float:
    """The penalty with the highest mean recall."""
    return float(_PENALTIES[np.argmax(np.mean(recalls, axis=0)) if recalls else 2])


def _recalls(x_ND: np.ndarray, y_N: np.ndarray, at_MD: np.ndarray, y_M: np.ndarray) -> list[float]:
    """Recall of other utterances, by penalty."""
    model, truth, found = _model(_PENALTIES[0]), np.unique(y_M), []
    for penalty in _PENALTIES:  # each starts from the solution before
        model.set_params(C=penalty).fit(x_ND, y_N)
        found.append(_uar(y_M.reshape(-1), model.predict(at_MD), truth))
    return found


def _model(penalty: float) -> LogisticRegression:
    return LogisticRegression(
        C=penalty, class_weight="balanced", max_iter=1000, tol=1e-3, warm_start=True
    )


def _uar(truth: np.ndarray, prediction: np.ndarray, classes: np.ndarray) -> float:
    return sklearn.metrics.recall_score(truth, prediction, labels=classes, average="macro")


def metrics(predicted: pd.DataFrame) -> Metrics:
    """Metrics of predicted classes, over the utterances of all test folds.

    `uar` is the unweighted average recall (Schuller et al. 2009, "The INTERSPEECH 2009 emotion
    challenge"), the mean of the classes' recalls; `macro_f1` the mean of their F1 scores;
    `accuracy` the share of correct predictions. Classes that nobody has do not count.

    Args:
        predicted: columns `label` and `prediction`, text.
    """
    truth, prediction = (predicted[name].to_numpy() for name in ("label", "prediction"))
    classes = np.unique(truth)
    return {
        "uar": finite(_uar(truth, prediction, classes)),
        "accuracy": finite(sklearn.metrics.accuracy_score(truth, prediction)),
        "macro_f1": finite(
            sklearn.metrics.f1_score(
                truth, prediction, labels=classes, average="macro", zero_division=0
            )
        ),
    }


def confusion(predicted: pd.DataFrame) -> pd.DataFrame:
    """Utterances by class (index) and by predicted class (columns), both sorted."""
    classes = sorted({*predicted["label"], *predicted["prediction"]})
    counts = sklearn.metrics.confusion_matrix(
        predicted["label"], predicted["prediction"], labels=classes
    )
    return pd.DataFrame(counts, classes, classes)


class Cells:
    """Each speaker's confusion matrix, from which all metrics follow; see `bootstrap`."""

    keys = METRICS

    def __init__(self, predicted: pd.DataFrame, speakers: np.ndarray):
        """Counts.

        Args:
            predicted: columns `speaker`, `label` and `prediction`.
            speakers: all of them, sorted.
        """
        both = np.concatenate([predicted["label"], predicted["prediction"]])
        names, number = np.unique(both, return_inverse=True)
        truth, prediction = number.reshape(2, -1)
        speaker = np.searchsorted(speakers, predicted["speaker"])
        self._counts_SCC = np.zeros((len(speakers), len(names), len(names)))
        np.add.at(self._counts_SCC, (speaker, truth, prediction), 1)

    def metrics(self, counts_BS: np.ndarray) -> np.ndarray:
        """(metrics, B), each draw given by how often it has each speaker."""
        drawn_BCC = np.tensordot(counts_BS, self._counts_SCC, 1)
        hits_BC = np.diagonal(drawn_BCC, axis1=1, axis2=2)
        true_BC, predicted_BC = drawn_BCC.sum(axis=2), drawn_BCC.sum(axis=1)
        there_BC = true_BC > 0
        recall_BC = np.divide(hits_BC, true_BC, out=np.zeros_like(true_BC), where=there_BC)
        f1_BC = np.divide(
            2 * hits_BC, true_BC + predicted_BC, out=np.zeros_like(true_BC), where=there_BC
        )
        n_classes = there_BC.sum(axis=1)
        accuracy = hits_BC.sum(axis=1) / true_BC.sum(axis=1)
        return np.stack([recall_BC.sum(1) / n_classes, accuracy, f1_BC.sum(1) / n_classes])
