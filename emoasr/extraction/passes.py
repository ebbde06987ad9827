"""The passes of `emoasr.extract` over a corpus: one on the device, one by openSMILE's processes.

Both leave out what an earlier run has done already, and hand on rows by fingerprint (see `rows`).
"""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_collections
import numpy as np
from tqdm import tqdm

from emoasr.corpora import Corpus
from emoasr.errors import UserError, one_line
from emoasr.extraction import egemaps, provenance, ray_engine
from emoasr.extraction.row_store import Rows
from emoasr.extraction.run_summary import Report
from emoasr.inference import bucketing
from emoasr.inference.columns import of_sets as columns_of
from emoasr.settings import feature_sets
from emoasr.system import processes

if TYPE_CHECKING:  # JAX is imported within functions: openSMILE's processes do without it
    from emoasr.asr.networks.gated import GatedConvNet
    from emoasr.asr.saved import SavedRecognizer
    from emoasr.inference.pooling import Pooler
    from emoasr.inference.runner import Run


@dataclasses.dataclass
class Pass:
    """A pass over a corpus.

    Attributes:
        config: as of `extract`.
        corpus: its utterances.
        workdir: the run's folder, with tables in `features` and rows in `.rows`.
        report: filled in while running.
        whole: the corpus that `corpus` is a shard of, or is.
    """

    config: ml_collections.ConfigDict
    corpus: Corpus
    workdir: Path
    report: Report
    whole: Corpus

    def __post_init__(self):
        self.keys = self.corpus.fingerprints()
        self._workers = processes.count(self.config.workers)

    def on_device(self, recognizer: "SavedRecognizer", names: list[str]) -> dict[str, Rows]:
        """Rows of the sets that the accelerator computes, of every utterance that can be read."""
        from emoasr.inference import compilation, runner
        from emoasr.inference.pooling import Pooler

        compilation.keep()
        config, frontend = self.config, recognizer.config.frontend
        rate, antialias = frontend.sample_rate, frontend.antialias
        corpus, whole = (
            dataclasses.replace(c, sample_rate=rate, antialias=antialias)
            for c in (self.corpus, self.whole)
        )
        run = runner.Run(
            corpus, frontend.hop_length, config.batch_frames, config.buckets, self._workers
        )
        self._raise_if_all_failed(run)
        networks = _networks(config, whole, recognizer, names)
        made_with = provenance.of_rows(config, frontend, networks)
        columns = columns_of(names, recognizer.config.model, frontend)
        sets = {name: self._open(name, made_with[name], columns[name]) for name in names}
        run.plan(self._missing(list(sets.values())), self._platform)
        networks = {name: net.computing_in(config.compute_dtype) for name, net in networks.items()}
        pooler = Pooler(networks, frontend, config.tap, config.pooling, "mfcc" in names)
        self._listen(run, pooler, sets)
        self._raise_if_all_failed(run)
        first = next(iter(sets.values()))
        silent = [i for i, key in enumerate(self.keys) if key in first and first.is_silent(key)]
        self.report.add(
            [corpus.skip(i, "audio", why) for i, why in sorted(run.failed.items())],
            [one_line(f"{corpus.segment(i).path}: all samples are zero") for i in silent],
        )
        return sets

    def _listen(self, run: "Run", pooler: "Pooler", sets: dict[str, Rows]) -> None:
        """Puts the rows that are missing; figures of it go to the report."""
        short = np.concatenate([np.empty(0, int), *(bucket.indices for bucket in run.buckets)])
        planned = np.concatenate([short, np.array(run.long, int)])
        hours = run.n_samples / pooler.frontend.sample_rate / 3600
        form = "{l_bar}{bar}| {n:.2f}/{total:.2f} h of audio [{elapsed}<{remaining}]"
        total = hours[planned].sum() + 1e-9  # sums in another order may exceed it
        name = "/".join(sets)[:30]
        with _written(sets.values()), tqdm(total=total, desc=name, bar_format=form) as bar:
            for indices, arrays in self._results(run, pooler):
                silent = np.isin(indices, run.silent)
                for name, values_RC in arrays.items():
                    new = np.array([self.keys[i] not in sets[name] for i in indices])
                    keys = [self.keys[i] for i in indices[new]]
                    sets[name].put(keys, values_RC[new], silent[new])
                bar.update(hours[indices].sum())
        hops = -(-run.n_samples[short] // run.hop_length)
        self.report.figures |= {
            "hours_of_audio": round(float(hours[planned].sum()), 4),
            "shapes": [(b.batch_size, b.n_hops + 1) for b in run.buckets],
            "padding": round(bucketing.padding_share(run.buckets, hops), 4),
        }
        if self.config.engine == "local":
            self.report.figures["compilations"] = pooler.n_compilations

    @property
    def _platform(self) -> str | None:
        """Where the batches will be computed, if not here."""
        if self.config.engine == "ray":
            return "gpu" if self.config.ray.gpus else "cpu"
        return None

    def _results(
        self, run: "Run", pooler: "Pooler"
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        if self.config.engine == "ray":
            return ray_engine.results(run, pooler, self.config.ray)
        return run.results(pooler)

    def by_opensmile(self) -> Rows:
        """Rows of eGeMAPS, of every utterance that can be read and is long enough."""
        rows = self._open("egemaps", provenance.of_egemaps_rows(), egemaps.column_names())
        unreadable = {(s.file, s.start, s.end) for s in self.report.skipped if s.step == "audio"}
        missing = [i for i in self._missing([rows]) if self.corpus.key(i) not in unreadable]
        with _written([rows]), tqdm(total=len(missing), unit="utt", desc="egemaps") as bar:
            for part in egemaps.extract(self.corpus, missing, self._workers):
                rows.put([self.keys[i] for i in part.indices], part.values)
                self.report.add(part.skipped)
                bar.update(len(part.indices) + len(part.skipped))
        return rows

    def _open(self, name: str, made_with: dict[str, Any], columns: list[str]) -> Rows:
        rows = Rows(self.workdir / ".rows" / name, made_with, columns)
        rows.take_over(self.workdir / "features" / f"{name}.parquet")
        there = sum(key in rows for key in self.keys)
        if there:
            print(f"{name}: {there} of {len(self.keys)} rows are there already")
        return rows

    def _raise_if_all_failed(self, run: "Run") -> None:
        """Of a shard, all may: the others have something."""
        nothing = not run.n_samples.any() or len(run.failed) == len(self.corpus)
        if nothing and len(self.corpus) == len(self.whole):
            raise UserError(
                f"no utterance of {self.whole.name} could be read; the first: {run.failed[0]}"
            )

    def _missing(self, sets: list[Rows]) -> np.ndarray:
        """Utterances that some set has no row of."""
        return np.array(
            [i for i, key in enumerate(self.keys) if not all(key in rows for rows in sets)], int
        )


@contextlib.contextmanager
def _written(sets: Iterable[Rows]) -> Iterator[None]:
    """Rows that came out are on disk, should the block be interrupted or fail."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # perhaps what it failed of
            for rows in sets:
                rows.flush()
        raise


def _networks(
    config: ml_collections.ConfigDict,
    corpus: Corpus,
    recognizer: "SavedRecognizer",
    names: list[str],
) -> dict[str, "GatedConvNet"]:
    """The recognizer's network and the untrained ones."""
    from emoasr.extraction import untrained

    networks = {"neural": recognizer.model} if "neural" in names else {}
    if seeds := feature_sets.seeds(config, names):
        model, frontend = recognizer.config.model, recognizer.config.frontend
        waves = untrained.calibration_waves(corpus)
        networks |= {n: untrained.untrained(model, frontend, waves, s) for n, s in seeds.items()}
    return networks
