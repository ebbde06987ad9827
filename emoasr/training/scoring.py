"""How well a recognizer in training recognizes a split: transcripts, and error rates by set."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from emoasr.asr import decoding, text
from emoasr.training import data, sharding, step


def transcripts(trainer: step.Trainer, state: step.State, examples: data.Examples) -> pd.DataFrame:
    """Greedy transcripts beside the truth; all devices of all processes share the batches.

    Returns:
        One row an utterance: `file`; `set`, what stands before the `/` in the speaker's name, else
        empty; `shared`, whether most speakers of the corpus read this text, in training too;
        `true` and `heard`, normalised texts.
    """
    recognized = [""] * len(examples.labels)
    for indices, batch in examples.once(trainer.mesh):
        classes_BT = trainer.classes(state, sharding.spread(batch, trainer.mesh))
        for i, classes_T in zip(indices, np.asarray(sharding.local(classes_BT)), strict=False):
            recognized[i], _ = decoding.greedy(classes_T)
    table = examples.split.table.iloc[examples.positions]
    return pd.DataFrame(
        {
            "file": table["file"].to_numpy(),
            "set": [s.split("/")[0] if "/" in s else "" for s in table["speaker"]],
            "shared": table["shared"].to_numpy(bool),
            "true": ["".join(text.SYMBOLS[c] for c in classes) for classes in examples.labels],
            "heard": recognized,
        }
    )


def error_rates(recognized: pd.DataFrame) -> dict[str, dict[str, float]]:
    """CER and WER of `transcripts`: `all`, by set, and `without shared prompts` if there are."""
    chosen = {str(name): rows for name, rows in recognized.groupby("set") if name}
    if recognized["shared"].any():
        chosen["without shared prompts"] = recognized[~recognized["shared"]]
    return {
        name: text.error_rates(rows["true"].tolist(), rows["heard"].tolist())
        for name, rows in {"all": recognized, **chosen}.items()
        if len(rows)
    }


def samples(recognized: pd.DataFrame, n: int) -> list[dict[Hashable, str]]:
    """Rows of `transcripts` to show, `n` of each set, evenly spaced by the truth's length."""
    chosen = []
    for _, rows in recognized.groupby("set"):
        rows = rows.iloc[np.argsort(rows["true"].str.len(), kind="stable")]
        places = np.linspace(0, len(rows) - 1, min(n, len(rows)) + 2)[1:-1].round().astype(int)
        chosen.append(rows.iloc[places])
    return pd.concat(chosen)[["set", "file", "true", "heard"]].to_dict("records")
