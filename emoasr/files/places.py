"""Files and folders that settings name, checked before anything heavy is imported."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

import ml_collections

from emoasr.errors import UserError, did_you_mean
from emoasr.files import storage

RECOGNIZER_FILES = ("recognizer.json", "weights.safetensors")
LANGUAGE_FILE = "language.safetensors"  # beside them, where there is one
PREDICTOR_FILES = ("predictor.json", "weights.safetensors")
TRANSFORMERS_CONFIG = "config.json"
TRANSFORMERS_WEIGHTS, TRANSFORMERS_INDEX = "model.safetensors", "model.safetensors.index.json"
TRANSFORMERS_PROCESSORS = ("preprocessor_config.json", "processor_config.json")  # older and newer

# what the package ships
_RECOGNIZERS = Path(__file__).parents[1] / "recognizers"
_PREDICTORS = Path(__file__).parents[1] / "predictors"


class RecognizerFolder(NamedTuple):
    """A folder that a recognizer can be read from.

    Attributes:
        path: the folder, on disk or in a store.
        files: names of those of its files that are read.
        of_transformers: whether it is one of Hugging Face's transformers.
    """

    path: storage.Place
    files: tuple[str, ...]
    of_transformers: bool


def local(text: str | os.PathLike) -> Path:
    """A path on disk; `~` is the home folder."""
    with contextlib.suppress(RuntimeError):  # `~name` of an unknown user stays as it is
        return Path(text).expanduser()
    return Path(text)


def of_corpus(config: ml_collections.ConfigDict, field: str = "path") -> storage.Place:
    """The file or folder, on disk or in a store, that a field of `config.corpus` names.

    Raises:
        UserError: it is empty, does not exist or cannot be reached.
    """
    if not config[field]:
        raise UserError(f"config.corpus.{field} is empty; give --config.corpus.{field}=PATH")
    path = storage.path(config[field])
    storage.check_there(path, f"config.corpus.{field}={path}")
    return path


def of_recognizer(path_or_name: str | os.PathLike | None) -> RecognizerFolder:
    """The folder of a recognizer, and what is in it.

    Args:
        path_or_name: a folder, a URL, or the name of a recognizer that the package ships; None or
            empty: `english`.

    Raises:
        UserError: it is not a recognizer's folder.
    """
    path = _placed(path_or_name, _RECOGNIZERS, "english")
    if not is_file(path / RECOGNIZER_FILES[0]) and is_file(path / TRANSFORMERS_CONFIG):
        return RecognizerFolder(path, _of_transformers(path), of_transformers=True)
    language = _first(path, (LANGUAGE_FILE,))
    _check_holds(path, RECOGNIZER_FILES, path_or_name, _RECOGNIZERS)
    return RecognizerFolder(path, (*RECOGNIZER_FILES, *language), of_transformers=False)


def of_predictor(path_or_name: str | os.PathLike | None) -> storage.Place:
    """The folder of a predictor, on disk or in a store.

    Args:
        path_or_name: a folder, a URL, or the name of a predictor that the package ships; None or
            empty: `emotale`.

    Raises:
        UserError: it is not a predictor's folder.
    """
    path = _placed(path_or_name, _PREDICTORS, "emotale")
    _check_holds(path, PREDICTOR_FILES, path_or_name, _PREDICTORS)
    return path


def _placed(path_or_name: str | os.PathLike | None, shipped: Path, default: str) -> storage.Place:
    """A place, or the folder of that name in `shipped`."""
    path = storage.path(path_or_name) if path_or_name else shipped / default
    with contextlib.suppress(OSError):  # of a name that is too long: what reads it will say so
        if isinstance(path, Path) and not path.exists() and (shipped / path).is_dir():
            return shipped / path
    return path


def _check_holds(
    path: storage.Place,
    files: tuple[str, ...],
    path_or_name: str | os.PathLike | None,
    shipped: Path,
) -> None:
    for name in files:
        if not is_file(path / name):
            there = [p.parent.name for p in shipped.glob(f"*/{name}")]
            meant = did_you_mean(str(path_or_name), there)
            kind = shipped.name.removesuffix("s")
            there_is = not isinstance(path, Path) or path.is_dir()
            lacks = f"it has no {name}" if there_is else "there is no folder of this name"
            raise UserError(f"{path} is not a {kind}'s folder: {lacks}{meant}")


def _of_transformers(folder: storage.Place) -> tuple[str, ...]:
    """What is read of a folder of transformers: configuration, processor's if any, weights.

    Raises:
        UserError: its weights are missing or pickled.
    """
    weights = (TRANSFORMERS_WEIGHTS, TRANSFORMERS_INDEX)
    if there := _first(folder, weights):
        return (TRANSFORMERS_CONFIG, *_first(folder, TRANSFORMERS_PROCESSORS), *there)
    pickled = "pytorch_model.bin"
    if is_file(folder / pickled) or is_file(folder / f"{pickled}.index.json"):
        raise UserError(
            f"{folder} has its weights as {pickled}, which is a program and is not opened; "
            "with transformers: AutoModel (to transcribe: AutoModelForCTC).from_pretrained(FOLDER)"
            ".save_pretrained(NEW_FOLDER); copy the folder's other files there"
        )
    raise UserError(
        f"{folder} has a config.json, but neither {TRANSFORMERS_WEIGHTS} nor {TRANSFORMERS_INDEX}; "
        "download it with the weights"
    )


def _first(folder: storage.Place, names: tuple[str, ...]) -> tuple[str, ...]:
    """The first of these files that is there, if any."""
    return next(((name,) for name in names if is_file(folder / name)), ())


def is_file(file: storage.Place) -> bool:
    """Whether the file exists. Raises: UserError: it cannot be opened."""
    try:
        return file.is_file()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{file}: cannot be opened ({why})") from None


def check(corpus: ml_collections.ConfigDict, *recognizers: str) -> None:
    """Checks that corpus and recognizers exist, if on disk; stores are contacted only for data.

    Args:
        corpus: `config.corpus`.
        recognizers: as of `of_recognizer`.

    Raises:
        UserError: a field is empty, or what it names does not exist, or no table can hold its name.
    """
    given = ["path"] * ("path" in corpus) + ["root"] * bool(corpus.get("root"))  # every table says
    for field in given:
        if "://" not in str(corpus[field]):
            place = os.path.realpath(str(of_corpus(corpus, field)))
            storage.check_utf8(place, f"config.corpus.{field}={place}")
    for recognizer in recognizers:
        if "://" not in str(recognizer):
            of_recognizer(recognizer)


def check_extracted(workdir: Path) -> None:
    """Raises a UserError unless `emoasr.extract` has finished in this folder."""
    if not (path := workdir / "extract.json").is_file():
        raise UserError(
            f"{path}: no such file, so no extraction has finished there; "
            f"run python -m emoasr.extract --workdir={workdir} first"
        )
