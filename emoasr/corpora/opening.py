"""How a configuration opens a corpus."""

import importlib
from pathlib import Path

import ml_collections

from emoasr.audio.windows import parse
from emoasr.corpora import windows
from emoasr.corpora.base import KINDS, Corpus
from emoasr.errors import UserError
from emoasr.settings.choices import check_choice


def open_corpus(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Opens the corpus that `config.corpus` describes.

    Args:
        config: `kind` (one of `KINDS`), `path`, the kind's own fields, and perhaps `window` and
            `hop`, of the windows into which utterances are cut.
        workdir: the run's folder; only the demo corpus is written there.

    Raises:
        UserError: an unknown kind, a field of the kind or the corpus is missing, an impossible
            window or one that two utterances share, or the corpus is broken.
    """
    check_choice("config.corpus.kind", config.kind, KINDS)
    _check_fields(config)
    cut = parse(config.get("window") or None, config.get("hop") or None)
    corpus = importlib.import_module(f"emoasr.corpora.{config.kind}").load(config, workdir)
    if cut is None:
        return corpus
    parts = windows.of(corpus, cut, apart=True)
    for note in parts.notes[len(corpus.notes) :]:  # readers have printed their own
        print(f"{corpus.name}: {note}")
    return parts


def _check_fields(config: ml_collections.ConfigDict) -> None:
    """Raises a UserError that names a field that the kind reads and the configuration lacks."""
    for field in KINDS[config.kind]:
        if field not in config:
            raise UserError(
                f"config.corpus.{field} is missing, which config.corpus.kind={config.kind} needs; "
                f"give --config={config.kind}, or set the field in your own configuration"
            )
