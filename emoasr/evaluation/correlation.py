"""Per-speaker correlation of every unit with a rating (the paper's section 4, figures 1 and 3)."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.stats
from threadpoolctl import threadpool_limits

from emoasr.evaluation import alignment
from emoasr.evaluation.labels import groups_of, is_rating, values
from emoasr.evaluation.layers import NEURAL, layout, recognizers
from emoasr.system.output import counted

MEAN = "mean over speakers"
SIGNIFICANT = 0.05  # units with a smaller q are marked

_FEWEST_UTTERANCES = 3  # two points always lie on a line
_LARGEST_R = np.nextafter(1.0, 0.0)  # Fisher's z of 1 is infinite


@dataclasses.dataclass(frozen=True)
class Maps:
    """Correlation maps of one recognizer's units and one rating.

    Attributes:
        target: the rating.
        speakers: sorted, one a map.
        r: (speakers, layers, units) Pearson correlation, float64; NaN where undefined.
        p: (speakers, layers, units) two-sided p value of `r`; NaN where that is.
        q: (speakers, layers, units) `p` after Benjamini and Hochberg (1995), each speaker's
            defined units being a family.
        n_utterances: (speakers,) rated utterances of each.
        undefined: by speaker, why (some of) its correlations are undefined.
        mean_r: (layers, units) mean of `r` over the speakers that have one.
        mean_p: (layers, units) p value of Student's t test, over speakers, that Fisher's z =
            artanh(r) is zero on average; NaN with fewer than two speakers.
        mean_q: (layers, units) `mean_p` after Benjamini and Hochberg.
        feature_set: the recognizer's.
    """

    target: str
    speakers: tuple[str, ...]
    r: np.ndarray
    p: np.ndarray
    q: np.ndarray
    n_utterances: np.ndarray
    undefined: dict[str, str]
    mean_r: np.ndarray
    mean_p: np.ndarray
    mean_q: np.ndarray
    feature_set: str = NEURAL


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in `cross_validation`: small products
def maps_of(
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    targets: Iterable[str],
    others: Iterable[str] = (),
) -> list[Maps]:
    """Maps of each recognizer's set and rating, see `pearson_maps`; none without speakers.

    Args:
        tables: feature sets by name.
        labels: audformat index.
        targets: those of the evaluation; classes have no maps.
        others: ratings that are mapped too, where the labels have them.
    """
    if "speaker" not in labels:
        return []
    others = [name for name in others if name in labels and labels[name].notna().any()]
    targets = [name for name in targets if is_rating(labels[name])]
    names = dict.fromkeys([*targets, *others])
    sets = recognizers(tables)
    return [pearson_maps(tables[one], labels, name, one) for one in sets for name in names]


def pearson_maps(
    table: pd.DataFrame, labels: pd.DataFrame, target: str, feature_set: str = NEURAL
) -> Maps:
    """Correlates each unit with the rating, over each speaker's utterances.

    The p values take utterances as independent and normal, as is usual. Utterances of one dialogue
    resemble each other, so that p comes out too small; q corrects for the number of units only.

    Args:
        table: (utterances, features), columns `layerLL.unitUUU` in that order, audformat index; of
            several statistics of each unit (see `layers.Layout`), the first is correlated.
        labels: audformat index, columns `speaker` and `target`.
        target: the rating.
        feature_set: the table's.

    Raises:
        UserError: no ratings or speakers, or the columns are not those of a tap.
    """
    of_columns = layout(table.columns, feature_set)
    shape = of_columns.n_layers, of_columns.n_units
    aligned = alignment.align({feature_set: table.iloc[:, of_columns.first]}, labels.index)
    index, _ = alignment.join(aligned, labels.index)
    table = aligned[feature_set]
    groups = {"speaker": groups_of(labels, "speaker")}
    rating, _ = alignment.rated(values(labels, target), groups, index)
    speakers, maps, counts, undefined = [], [], [], {}
    x_DN, y_N = table.to_numpy().T, rating.to_numpy()  # found once: there may be many speakers
    at_N = table.index.get_indexer(rating.index)
    by_speaker = rating.groupby(groups["speaker"].loc[rating.index].to_numpy()).indices
    for speaker, rows in sorted(by_speaker.items()):
        y = y_N[rows]
        r = _pearson(np.take(x_DN, at_N[rows], axis=1).astype(np.float64).T, y)
        if np.isnan(r).any():
            undefined[str(speaker)] = _why(r, y)
        speakers.append(str(speaker))
        maps.append(r)
        counts.append(len(y))
    r = np.array(maps, np.float64).reshape(-1, *shape)
    n = np.array(counts, dtype=np.int64)
    return from_r(target, tuple(speakers), r, n, undefined, feature_set)


def from_r(
    target: str,
    speakers: tuple[str, ...],
    r: np.ndarray,
    n_utterances: np.ndarray,
    undefined: dict[str, str],
    feature_set: str = NEURAL,
) -> Maps:
    """Adds to correlations their p and q values, and the mean map (see `Maps`)."""
    p = p_values(r, n_utterances[:, None, None])
    mean_r, mean_p = _mean_over_speakers(r)
    return Maps(
        target=target,
        speakers=speakers,
        r=r,
        p=p,
        q=np.array([q_values(one) for one in p]).reshape(p.shape),
        n_utterances=n_utterances,
        undefined=undefined,
        mean_r=mean_r,
        mean_p=mean_p,
        mean_q=q_values(mean_p),
        feature_set=feature_set,
    )


def p_values(r: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Two-sided p values of Pearson correlations, by Student's t with n - 2 degrees of freedom.

    Args:
        r: any shape; NaN where undefined.
        n: number of pairs, 3 or more where r is defined; broadcast to r's shape.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # r = 1: t is infinite and p is 0
        t = abs(r) * np.sqrt((n - 2) / ((1 - r) * (1 + r)))
        return 2 * scipy.stats.t.sf(t, n - 2)


def q_values(p: np.ndarray) -> np.ndarray:
    """Corrects p values: of findings with q < .05, on average at most one in twenty is false.

    Benjamini and Hochberg's false discovery rate (1995, J. R. Stat. Soc. B 57: 289-300).

    Args:
        p: one family, any shape; NaN, of no test, is not counted and stays NaN.
    """
    q = np.full_like(p, np.nan)
    defined = ~np.isnan(p)
    if defined.any():
        q[defined] = scipy.stats.false_discovery_control(p[defined])
    return q


def as_table(maps: Sequence[Maps]) -> pd.DataFrame:
    """All maps as rows: set, speaker (or "mean over speakers"), rating, layer, unit, r, p and q."""
    frames = []
    for m in maps:
        layers, units = np.indices(m.mean_r.shape).reshape(2, -1)
        maps_of_rating = [(MEAN, m.mean_r, m.mean_p, m.mean_q)]
        maps_of_rating += zip(m.speakers, m.r, m.p, m.q, strict=True)
        for speaker, r, p, q in maps_of_rating:
            whose = {"feature_set": m.feature_set, "speaker": speaker, "target": m.target}
            where = {**whose, "layer": layers, "unit": units}
            values = {"r": r.ravel(), "p": p.ravel(), "q": q.ravel()}
            frames.append(pd.DataFrame({**where, **values}))
    columns = ["feature_set", "speaker", "target", "layer", "unit", "r", "p", "q"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _mean_over_speakers(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of r (S, L, U) over speakers, and p of a t test of Fisher's z: (L, U) each."""
    n = (~np.isnan(r)).sum(axis=0)
    z = np.arctanh(r.clip(-_LARGEST_R, _LARGEST_R))
    with np.errstate(divide="ignore", invalid="ignore"):  # no speaker, one, or all alike
        mean_r = np.nansum(r, axis=0) / n
        mean_z = np.nansum(z, axis=0) / n
        variance = np.nansum((z - mean_z) ** 2, axis=0) / (n - 1)
        t = abs(mean_z) / np.sqrt(variance / n)
    return mean_r, 2 * scipy.stats.t.sf(t, np.where(n > 1, n - 1, np.nan))


def _pearson(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Correlation of each column of X (N, D) with y (N,): (D,), NaN where undefined."""
    if len(y) < _FEWEST_UTTERANCES:
        return np.full(X.shape[1], np.nan)
    x_ND, y_N = X - X.mean(axis=0), y - y.mean()
    norms = np.linalg.norm(x_ND, axis=0) * np.linalg.norm(y_N)
    # by range: rounding of the mean leaves a constant column a norm above zero
    norms[(np.ptp(X, axis=0) == 0) | (np.ptp(y) == 0)] = np.nan
    return (y_N @ x_ND / norms).clip(-1, 1)


def _why(r: np.ndarray, y: np.ndarray) -> str:
    if len(y) < _FEWEST_UTTERANCES:
        return f"{counted(len(y), 'utterance')}; a correlation needs {_FEWEST_UTTERANCES}"
    if np.ptp(y) == 0:
        return f"all {len(y)} ratings are {y[0]:g}"
    return f"{np.isnan(r).sum()} of {r.size} features are constant"
