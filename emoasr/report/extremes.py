"""Which speakers are shown where a page has no room for all: the ends of an order."""

import pandas as pd

MOST = 40  # speakers in a chart
EACH = 10  # at either end, where there are more
FEWEST = 10  # utterances that they need then: with fewer, extremes are chance


def shown(score: pd.Series, n_utterances: pd.Series) -> list[str]:
    """All speakers by name, or of more than `MOST` those with the highest and the lowest score.

    Args:
        score: by speaker.
        n_utterances: by speaker, in the same order.

    Returns:
        Names; of the extremes, the highest score first.

    Example:
        >>> score = pd.Series(range(100), map(str, range(100)))
        >>> names = shown(score, score)
        >>> names[0], names[9], names[10], names[-1]
        ('99', '90', '19', '10')
    """
    if len(score) <= MOST:
        return sorted(map(str, score.index))
    known = score[n_utterances.to_numpy() >= FEWEST].dropna()
    ordered = known.sort_values(ascending=False, kind="stable").index.astype(str).tolist()
    return ordered if len(ordered) <= 2 * EACH else ordered[:EACH] + ordered[-EACH:]
