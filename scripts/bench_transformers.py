"""Times features of Whisper and the wav2vec 2.0 family beside PyTorch's transformers.

    python -m venv oracle && oracle/bin/pip install torch transformers
    python scripts/bench_transformers.py FOLDER AUDIO --peer=oracle/bin/python [--files=100]

Both have the same weights, FOLDER's, and the same utterances of AUDIO, decoded and in memory;
both give the mean of every hidden state over an utterance's own frames, from the second call on:
emoasr all at once and one by one; transformers one by one, as its users do, and in batches of
similar length, which of the wav2vec 2.0 family changes results wherever an utterance is padded.
Each measurement is a process of its own, one after the other, round by round; it prints seconds,
their spread, peak memory and the largest difference between the features.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RATE, HOP = 16000, 320
WAYS = (("emoasr", "all"), ("emoasr", "one"), ("peer", "one"), ("peer", "8"))


def main(folder: Path, audio: Path, peer: str, n_files: int, repeats: int) -> None:
    """Measures every way in turn."""
    from emoasr.audio import reading

    files = sorted(filter(Path.is_file, audio.rglob("*")))
    files = files[:: max(1, len(files) // n_files)][:n_files]
    waves = [reading.read(reading.Segment(file)) for file in files]
    seconds = sum(map(len, waves)) / RATE
    print(f"{folder}: {len(waves)} utterances, {seconds:.0f} s of audio")
    found: dict[tuple[str, str], list[dict]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as place:
        held, rows = Path(place) / "waves.npz", Path(place) / "features.npy"
        np.savez(held, *waves)
        expected = None
        for _ in range(repeats):
            for who, how in WAYS:
                python = sys.executable if who == "emoasr" else peer
                command = [
                    python,
                    __file__,
                    str(folder),
                    str(held),
                    f"--measure={who}",
                    f"--how={how}",
                ]
                done = subprocess.run([*command, f"--rows={rows}"], capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(done.stderr[-2000:])
                one = json.loads(done.stdout.splitlines()[-1])
                features = np.load(rows)
                expected = features if expected is None else expected
                one["differs"] = float(np.abs(features - expected).max())
                found[who, how].append(one)
    for (who, how), runs in found.items():
        times = sorted(run["seconds"] for run in runs)
        print(
            f"{who:7} {how:4} {np.median(times):7.2f} s ({times[0]:.2f} to {times[-1]:.2f}), "
            f"{max(run['peak_mb'] for run in runs):5.0f} MB at most, features differ by "
            f"{max(run['differs'] for run in runs):.1e}"
        )


def measure(who: str, how: str, folder: Path, held: Path, rows: Path) -> None:
    """Prints how long a second pass takes."""
    with np.load(held) as arrays:
        waves = [arrays[name] for name in arrays.files]
    run = (ours if who == "emoasr" else theirs)(folder, waves, how)
    run()
    start = time.perf_counter()
    features = run()
    seconds = time.perf_counter() - start
    np.save(rows, features)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


def ours(folder: Path, waves: list[np.ndarray], how: str):
    """Features (utterances, layers * units) by emoasr."""
    import emoasr

    recognizer = emoasr.load_recognizer(folder)
    if how == "all":
        return lambda: recognizer.features((waves, RATE)).to_numpy()
    return lambda: np.concatenate([recognizer.features((w, RATE)).to_numpy() for w in waves])


def theirs(folder: Path, waves: list[np.ndarray], how: str):
    """Features (utterances, layers * units) by transformers."""
    import torch
    import transformers

    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    whisper = model.config.model_type == "whisper"
    encoder = model.get_encoder() if whisper else model
    size = 1 if how == "one" else int(how)
    order = np.argsort([len(wave) for wave in waves])[::-1]

    def frames(n_samples: int) -> int:
        if whisper:
            return -(-n_samples // HOP)
        return int(model._get_feat_extract_output_lengths(n_samples))

    @torch.inference_mode()
    def run():
        found = [np.empty(0)] * len(waves)
        for first in range(0, len(waves), size):
            batch = order[first : first + size]
            padding = {} if whisper else {"padding": True}
            given = extractor(
                [waves[i] for i in batch], sampling_rate=RATE, return_tensors="pt", **padding
            )
            output = encoder(**given, output_hidden_states=True)
            states = [*output.hidden_states[:-1], output.last_hidden_state]
            for row, i in enumerate(batch):
                own = slice(frames(len(waves[i])))
                found[i] = np.concatenate([state[row, own].mean(0).numpy() for state in states])
        return np.stack(found)

    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--peer", help="a Python that has torch and transformers")
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--how", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.how, given.folder, given.audio, given.rows)
    else:
        main(given.folder, given.audio, given.peer, given.files, given.repeats)
