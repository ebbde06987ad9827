r"""Fits the language model of a recognizer's transcripts, and measures what it is worth.

    apt-get install wordnet-base
    python scripts/fit_language.py RECOGNIZER CORPUS [--wordnet=/usr/share/wordnet]

RECOGNIZER is a recognizer's folder; it gets `language.safetensors`. CORPUS is a folder with
`metadata.csv` (file, speaker, split, text), see `configs/english.py`: the model learns from the
texts of its training split and from WordNet's example sentences, less the texts of its other
splits. Error rates of these with beam search go into `recognizer.json` and the card.
"""

import dataclasses
import json
import tempfile
from pathlib import Path

import pandas as pd
import training_texts
from absl import app, flags

import emoasr
from emoasr.asr import language_model, text
from emoasr.corpora import transcribed
from emoasr.errors import UserError
from emoasr.files.places import LANGUAGE_FILE
from emoasr.files.writing import write_atomically
from emoasr.training import model_card

flags.adopt_module_key_flags(training_texts)  # so that --help lists --wordnet
_TEXTS = "the training splits', and the example sentences of WordNet 3.0"
_BEAM = flags.DEFINE_integer("beam_size", 50, "Prefixes kept, in measuring.", 2)


def main(argv: list[str]) -> None:
    """Measures the model, then writes it."""
    if len(argv) != 3:
        raise app.UsageError("give the folder of a recognizer and that of a corpus")
    folder, corpus = Path(argv[1]), Path(argv[2])
    try:
        recognizer = emoasr.load_recognizer(folder)
        if not folder.is_dir():  # but the name of one of the package
            raise UserError(f"{folder}: the model is written there; give the recognizer's folder")
        model_card.check(recognizer, argv[1])
        rows = transcribed.read_rows(corpus)
        rows = rows[~rows["text"].map(text.has_digits)]
        rows = rows.assign(true=rows["text"].map(text.normalise))
        about, model = _fitted(recognizer, corpus, rows)
    except UserError as error:
        raise SystemExit(f"error: {error}") from error
    write_atomically(folder / LANGUAGE_FILE, model)
    record = json.loads((folder / "recognizer.json").read_text(encoding="utf-8"))
    record["language_model"] = about
    write_atomically(folder / "recognizer.json", json.dumps(record, indent=1) + "\n")
    card = recognizer.card | {"language_model": about}
    model_card.write(folder, dataclasses.replace(recognizer, card=card))
    print(json.dumps(about, indent=1))


def _fitted(recognizer: emoasr.Recognizer, corpus: Path, rows: pd.DataFrame) -> tuple[dict, bytes]:
    """What `recognizer.json` says of the model, and its file."""
    for file in rows["file"][_is_measured(rows)]:
        if not (corpus / file).is_file():
            raise UserError(f"{corpus / 'metadata.csv'}: {corpus / file}: no such file")
    texts = [text.normalise(t) for t in training_texts.of(rows)]
    with tempfile.TemporaryDirectory() as made:
        file = Path(made, LANGUAGE_FILE)
        language_model.save(language_model.fit(texts, order=6, min_count=5), file)
        measured = dataclasses.replace(recognizer, language_file=file)
        about = {
            "kind": "6-gram of characters, contexts seen five times",
            "texts": f"{len(texts)}: {_TEXTS}",
            "beam_size": _BEAM.value,
            "metrics": _error_rates(measured, corpus, rows),
        }
        return about, file.read_bytes()


def _is_measured(rows: pd.DataFrame) -> pd.Series:
    """Which rows error rates are of."""
    return ~rows["split"].isin(["train", ""]) & (rows["true"] != "")


def _error_rates(recognizer: emoasr.Recognizer, corpus: Path, rows: pd.DataFrame) -> dict:
    """CER and WER by split and set, as `recognizer.json` has them."""
    metrics = {}
    for split, of_split in rows[_is_measured(rows)].groupby("split"):
        heard = recognizer.transcribe([corpus / f for f in of_split["file"]], _BEAM.value)
        of_split = of_split.assign(heard=heard["text"].to_numpy())
        sets = of_split.groupby(of_split["speaker"].str.extract("^([^/]+)/", expand=False))
        metrics[split] = {
            str(name): text.error_rates(own["true"].tolist(), own["heard"].tolist())
            for name, own in [("all", of_split), *sets]
        }
    return metrics


if __name__ == "__main__":
    app.run(main)
