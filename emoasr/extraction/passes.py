"""The passes of `emoasr.extract` over a corpus: one on the device, one by openSMILE's processes.

Both compute the rows that are not in the row stores yet, put them there, and return what was found
on the way.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from emoasr.corpora import Corpus
from emoasr.extraction import egemaps, ray_engine
from emoasr.extraction.row_store import RowStore
from emoasr.extraction.run_summary import Findings
from emoasr.inference import bucketing, planning, runner
from emoasr.inference.pooling import Pooler
from emoasr.settings.extraction import Work
from emoasr.system import progress


def device_pass(
    work: Work,
    corpus: Corpus,
    keys: Sequence[bytes],
    pooler: Pooler,
    sets: Mapping[str, RowStore],
) -> Findings:
    """Computes the rows of the feature sets that the accelerator computes.

    Args:
        work: how it is divided.
        corpus: utterances, at the front end's rate.
        keys: their fingerprints.
        pooler: what to compute.
        sets: the row store of each feature set, which receives the rows that are missing.
    """
    missing = _missing(keys, sets.values())
    plan = planning.make_plan(
        corpus, pooler.frontend, work.batch_frames, work.buckets, work.workers,
        platform=work.platform,
    ).only(missing)  # fmt: skip
    cluster = work.cluster
    results = ray_engine.run(plan, pooler, cluster) if cluster else runner.run(plan, pooler)
    failed = dict(plan.unreadable)
    with _flushed_on_failure(sets.values()):
        for result in _with_progress(plan, results, pooler.frontend.sample_rate, "/".join(sets)):
            _put(result, keys, sets)
            failed |= result.failed
    first = next(iter(sets.values()))
    silent = [i for i, key in enumerate(keys) if key in first and first.is_silent(key)]
    took = _metrics(plan, pooler.frontend.sample_rate)
    took |= {} if cluster else {"compilations": pooler.n_compilations}
    return Findings(
        [corpus.skip(i, "audio", why) for i, why in sorted(failed.items())],
        [corpus.silent(i) for i in silent],
        computed=dict.fromkeys(sets, took),
    )


def egemaps_pass(
    work: Work,
    corpus: Corpus,
    keys: Sequence[bytes],
    rows: RowStore,
    unreadable: Iterable[tuple[str, float | None, float | None]],
) -> Findings:
    """Computes the rows of eGeMAPS, of every utterance that can be read and is long enough.

    Args:
        work: how it is divided.
        corpus: utterances.
        keys: their fingerprints.
        rows: the row store, which receives the rows that are missing.
        unreadable: utterances (see `Corpus.key`) not to try again.
    """
    unreadable = set(unreadable)
    missing = [int(i) for i in _missing(keys, [rows]) if corpus.key(int(i)) not in unreadable]
    skipped = []
    shown = progress.bar(total=len(missing), unit="utt", desc="egemaps")
    with _flushed_on_failure([rows]), shown as bar:
        for part in egemaps.extract(corpus, missing, work.workers):
            rows.put([keys[i] for i in part.indices], part.values)
            skipped += part.skipped
            bar.update(len(part.indices) + len(part.skipped))
    return Findings(skipped)


def _missing(keys: Sequence[bytes], sets: Iterable[RowStore]) -> np.ndarray:
    """Utterances that some set has no row of."""
    sets = list(sets)
    return np.array([i for i, key in enumerate(keys) if not all(key in rows for rows in sets)], int)


def _put(result: runner.Result, keys: Sequence[bytes], sets: Mapping[str, RowStore]) -> None:
    """Stores those rows of a batch that are not there yet."""
    for name, values_RC in result.arrays.items():
        new = np.array([keys[i] not in sets[name] for i in result.indices], bool)
        if new.any():
            new_keys = [keys[i] for i in result.indices[new]]
            sets[name].put(new_keys, values_RC[new], result.silent[new])


def _hours(plan: planning.Plan, sample_rate: int) -> np.ndarray:
    """Hours of audio of every utterance."""
    return plan.n_samples / sample_rate / 3600


def _planned(plan: planning.Plan) -> tuple[np.ndarray, np.ndarray]:
    """The utterances planned in batches, and all that are planned."""
    short = np.concatenate([np.empty(0, int), *(bucket.indices for bucket in plan.buckets)])
    return short, np.concatenate([short, np.array(plan.long, int)])


def _with_progress(
    plan: planning.Plan, results: Iterable[runner.Result], sample_rate: int, name: str
) -> Iterator[runner.Result]:
    """The results, with a bar that counts hours of audio, or minutes of less than an hour."""
    audio, unit = _hours(plan, sample_rate), "h"
    if audio[_planned(plan)[1]].sum() < 1:
        audio, unit = 60 * audio, "min"
    total = audio[_planned(plan)[1]].sum() + 1e-9  # sums in another order may exceed it
    form = f"{{l_bar}}{{bar}}| {{n:.2f}}/{{total:.2f}} {unit} of audio [{{elapsed}}<{{remaining}}]"
    with progress.bar(total=total, desc=name, bar_format=form) as bar:
        for result in results:
            yield result
            bar.update(audio[result.indices].sum())


def _metrics(plan: planning.Plan, sample_rate: int) -> dict[str, object]:
    short, planned = _planned(plan)
    hops = -(-plan.n_samples[short] // plan.hop_length)
    return {
        "batch_frames": plan.batch_frames,
        "platform": plan.platform,
        "hours_of_audio": round(float(_hours(plan, sample_rate)[planned].sum()), 4),
        "shapes": [(b.batch_size, b.n_hops + 1) for b in plan.buckets],
        "padding": round(bucketing.padding_share(plan.buckets, hops), 4),
    }


@contextlib.contextmanager
def _flushed_on_failure(sets: Iterable[RowStore]) -> Iterator[None]:
    """Writes finished rows to disk if the block is interrupted or fails."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # perhaps the very cause
            for rows in sets:
                rows.flush()
        raise
