"""Copies a trained recognizer, its language model and card into the package.

    python scripts/ship_recognizer.py runs/p/pretrain/recognizer emoasr/recognizers/english

Kernels are stored as float16. The printed figure is what that changes: the largest change of any
pooled feature over 30 s of noise bursts.
"""

from pathlib import Path

import numpy as np
from absl import app

import emoasr
from emoasr.asr import saved
from emoasr.errors import UserError
from emoasr.files import places, writing
from emoasr.training import model_card


def main(argv: list[str]) -> None:
    """Reads `argv[1]`, writes `argv[2]`."""
    if len(argv) != 3:
        raise app.UsageError("give the folder of a trained recognizer, and the one to write")
    try:
        trained = emoasr.load_recognizer(argv[1])
        model_card.check(trained, argv[1])
        own = places.of_recognizer(argv[1]).path  # argv[1] may be the name of a shipped one
        if isinstance(own, Path) and own.resolve() == Path(argv[2]).resolve():
            raise UserError(f"{argv[2]}: is the trained recognizer itself; give another folder")
        writing.ensure_folder(Path(argv[2]))
    except UserError as error:
        raise SystemExit(f"error: {error}") from error
    saved.save(Path(argv[2]), trained.model, trained.config.frontend, trained.card, half=True)
    language_file = Path(argv[2]) / places.LANGUAGE_FILE
    if trained.language_file:
        writing.write_atomically(language_file, trained.language_file.read_bytes())
    else:
        language_file.unlink(missing_ok=True)  # an older recognizer's
    shipped = emoasr.load_recognizer(argv[2])
    model_card.write(Path(argv[2]), shipped)

    random = np.random.default_rng(0)
    bursts = np.abs(np.sin(np.arange(5 * 16000) / 3000)) * random.normal(size=(6, 5 * 16000))
    waves = (list((0.1 * bursts).astype(np.float32)), 16000)
    change = np.abs((trained.features(waves) - shipped.features(waves)).to_numpy()).max()
    size = (Path(argv[2]) / "weights.safetensors").stat().st_size
    print(f"{argv[2]}: {size / 1e6:.1f} MB, features change by at most {change:.1e}")


if __name__ == "__main__":
    app.run(main)
