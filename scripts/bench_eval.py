"""`benchmark.py eval`: tables of IEMOCAP's size, from memory to all metrics.

10039 utterances of 10 speakers in 5 sessions; 1920, 1920, 88 and 40 random features that carry some
of two ratings. The plain table, ablations and controls, and the plain table as a script with a
scikit-learn pipeline would make it: fold by fold, without intervals.
"""

import copy
import itertools
import statistics
from typing import Any

import audformat
import numpy as np
import pandas as pd
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timing import alternate

from emoasr import config
from emoasr.evaluation import evaluate
from emoasr.inference import columns
from emoasr.system import processes


def rows(repeats: int) -> list[dict[str, Any]]:
    """Seconds of an evaluation."""
    tables, labels = _like_iemocap()
    settings = config.experiment("table").eval
    asked = copy.deepcopy(settings)
    asked.battery = True
    workers = processes.count(0)
    peers = {
        "emoasr, plain table": lambda: evaluate.evaluate(tables, labels, settings, workers),
        "emoasr, with ablations": lambda: evaluate.evaluate(tables, labels, asked, workers),
        "scikit-learn pipeline": lambda: _by_pipeline(tables, labels),
    }
    seconds = alternate(peers, repeats, warm_up=False)
    return [{"peer": name, "median_s": statistics.median(s)} for name, s in seconds.items()]


def _like_iemocap() -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    random = np.random.default_rng(0)
    n = 10039
    speaker = np.sort(random.integers(0, 10, n))
    ratings = random.normal(3, 0.8, (n, 2)).clip(1, 5).astype(np.float32)
    index = audformat.filewise_index([f"{i:05d}.wav" for i in range(n)])
    tables = {}
    sizes = {"neural": 1920, "random": 1920, "egemaps": 88, "mfcc": 40}
    for name, size in sizes.items():
        x_ND = random.standard_normal((n, 64)) @ random.standard_normal((64, size))
        x_ND += ratings @ random.standard_normal((2, size)) + 4 * random.standard_normal((n, size))
        names = columns.unit_names() if size == 1920 else [f"f{i}" for i in range(size)]
        tables[name] = pd.DataFrame(x_ND.astype(np.float32), index, names)
    people = {"speaker": speaker.astype(str), "session": (speaker // 2).astype(str)}
    return tables, pd.DataFrame(people, index).assign(arousal=ratings[:, 0], valence=ratings[:, 1])


def _by_pipeline(tables: dict[str, pd.DataFrame], labels: pd.DataFrame) -> None:
    for table, target in itertools.product(tables.values(), ("arousal", "valence")):
        k = min(100, table.shape[1])
        model = make_pipeline(StandardScaler(), SelectKBest(f_regression, k=k), LinearRegression())
        cross_val_predict(
            model, table, labels[target], groups=labels["speaker"], cv=LeaveOneGroupOut()
        )
