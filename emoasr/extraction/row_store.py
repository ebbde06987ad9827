"""A feature set's rows on disk from the first batch on: a killed run continues where it stopped.

Rows are stored by their utterance's fingerprint (`Corpus.fingerprints`), in a folder named after a
digest of what they are made with: a row is reused exactly if it would come out the same. They lie
in part files, each written under another name and renamed. Once all are in a table, it replaces the
parts, and a file of keys says which utterances its rows are of.

Shape suffixes: R rows, C columns.
"""

import hashlib
import json
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emoasr.errors import UserError
from emoasr.files import parquet
from emoasr.files.writing import write_atomically

_CHUNK = 1024  # rows in memory at most: of a part not yet written, and of those given at once
_SECONDS = 5.0  # of work that a kill may cost
_Part = Path | np.ndarray  # on disk, or held
_OF_TABLE = np.dtype([("key", "V16"), ("silent", "u1")])


class RowStore:
    """One feature set's float32 rows by fingerprint.

    Attributes:
        made_with: all that the numbers depend on, besides the utterance.
        columns: names.
    """

    def __init__(self, folder: Path, made_with: Any, columns: Sequence[str]):
        """Opens the rows on disk; those that are cut off or fail their checksum are left out.

        Args:
            folder: of this feature set's rows, whatever they were made with.
            made_with: JSON-able: all that the numbers depend on, besides the utterance.
            columns: names.
        """
        self.made_with, self.columns = made_with, list(columns)
        settings = json.dumps([made_with, self.columns], sort_keys=True)
        self._folder = folder / hashlib.sha256(settings.encode()).hexdigest()[:16]
        self._folder.mkdir(parents=True, exist_ok=True)
        self._dtype = np.dtype([
            ("key", "V16"), ("silent", "u1"), ("values", "<f4", (len(columns),)), ("crc", "<u4"),
        ])  # fmt: skip
        self._where: dict[bytes, tuple[_Part, int]] = {}
        self._silent: dict[bytes, bool] = {}
        self._held: list[np.ndarray] = []
        self._since = time.monotonic()
        self._n_parts = 0
        parts = (path for path in self._folder.glob("*.rows") if path.stem.isdecimal())
        for path in sorted(parts):  # not those that a file manager has put there
            self._register(path, np.fromfile(path, self._dtype))
            self._n_parts = int(path.stem) + 1

    def __contains__(self, key: bytes) -> bool:
        return key in self._where

    def __len__(self) -> int:
        """Rows put or found."""
        return len(self._where)

    def is_silent(self, key: bytes) -> bool:
        """Whether the row is that of an utterance without a sound."""
        return self._silent[key]

    def put(
        self, keys: Sequence[bytes], values_RC: np.ndarray, silent: np.ndarray | bool = False
    ) -> None:
        """Adds rows; they are on disk when more come after some seconds, or after `flush`."""
        part_R = np.zeros(len(keys), self._dtype)
        part_R["key"] = np.array(keys, "V16")
        part_R["silent"], part_R["values"] = silent, values_RC
        part_R["crc"] = _checksums(part_R)
        self._held.append(part_R)
        self._register(part_R, part_R)
        late = time.monotonic() - self._since > _SECONDS
        if late or sum(map(len, self._held)) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Writes what is held, as a part of its own."""
        if self._held:
            part_R, path = np.concatenate(self._held), self._folder / f"{self._n_parts:06d}.rows"
            write_atomically(path, part_R.tobytes())
            self._register(path, part_R)
            self._n_parts += 1
        self._held, self._since = [], time.monotonic()

    def take_over(self, table: Path) -> None:
        """Reuses the rows of a finished table, if the file of keys here is that table's."""
        try:
            index = (self._folder / "keys").read_bytes()
            with pq.ParquetFile(table, page_checksum_verification=True) as file:
                if parquet.metadata_of(file.schema_arrow, table).get("rows") != _digest(index):
                    return
                keys_R = np.frombuffer(index, _OF_TABLE)
                for batch in file.iter_batches(_CHUNK, columns=self.columns):
                    batch_R, keys_R = keys_R[: len(batch)], keys_R[len(batch) :]
                    values_RC = np.stack([column.to_numpy() for column in batch.columns], axis=1)
                    self.put([bytes(key) for key in batch_R["key"]], values_RC, batch_R["silent"])
        except (OSError, pa.ArrowException, UserError):
            return  # no such table, or a broken one: its rows are made anew
        self.flush()

    def values(self, keys: Sequence[bytes]) -> Iterator[np.ndarray]:
        """The numbers of rows on disk, in the order of their keys: some rows at a time (R, C)."""
        for i in range(0, max(len(keys), 1), _CHUNK):
            chunk = keys[i : i + _CHUNK]
            # column by column, as Parquet wants them
            values_RC = np.empty((len(chunk), len(self.columns)), np.float32, order="F")
            by_part: dict[int, tuple[_Part, list[tuple[int, int]]]] = {}
            for r, key in enumerate(chunk):
                part, place = self._where[key]
                by_part.setdefault(id(part), (part, []))[1].append((r, place))
            for part, places in by_part.values():
                rows, there = np.array(places).T
                if isinstance(part, Path):
                    part = np.memmap(part, self._dtype, "r", shape=(int(there.max()) + 1,))
                values_RC[rows] = part["values"][there]
            yield values_RC

    def write_key_index(self, keys: Sequence[bytes]) -> str:
        """Writes the keys of a table that is to be written; returns the digest for its metadata."""
        index = np.array([(key, self._silent[key]) for key in keys], _OF_TABLE).tobytes()
        write_atomically(self._folder / "keys", index)
        return _digest(index)

    def clear(self) -> None:
        """Removes the rows that the finished table has, and rows made with other settings."""
        for other in self._folder.parent.iterdir():
            if other.is_dir() and other != self._folder:
                shutil.rmtree(other)
        remove_parts(self._folder.parent)

    def _register(self, part: _Part, part_R: np.ndarray) -> None:
        for place in np.flatnonzero(part_R["crc"] == _checksums(part_R)).tolist():
            key = bytes(part_R["key"][place])
            self._where[key] = part, place
            self._silent[key] = bool(part_R["silent"][place])


def join_keys(parts: Mapping[Path, str], whole: Path) -> str:
    """Joins the files of keys of several finished tables into that of their concatenation.

    Args:
        parts: the folder of each table's rows, as given to `RowStore` (`.rows/SET` of a run's
            folder), with the digest of its keys in the table's metadata.
        whole: the folder of the one table's rows.

    Returns:
        The digest for its metadata.

    Raises:
        UserError: the keys of a part are not those of its table, or the parts' settings differ.
    """
    index, made_with = b"", set()
    for part, digest in parts.items():
        by_digest = {_digest(path.read_bytes()): path for path in part.glob("*/keys")}
        if digest not in by_digest:
            table = part.parents[1] / "features" / f"{part.name}.parquet"  # which a run would keep
            raise UserError(
                f"{part}: the keys of the finished rows are gone; remove {table} and run that "
                "shard again"
            )
        index += by_digest[digest].read_bytes()
        made_with.add(by_digest[digest].parent.name)
    if len(made_with) > 1:
        raise UserError(
            f"{whole.name}: the shards were made with different settings; run one again"
        )
    folder = whole / made_with.pop()
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "keys", index)
    return _digest(index)


def bytes_needed(n_rows: int, n_columns: int) -> int:
    """Disk space for a feature set's rows, and as much again for the table made of them."""
    return 2 * 4 * n_rows * n_columns


def remove_parts(folder: Path) -> None:
    """Removes the parts of a feature set whose table is finished, if a kill has left any."""
    for path in folder.glob("*/*.rows*"):
        path.unlink()


def _checksums(part_R: np.ndarray) -> np.ndarray:
    """The checksum of each row, of all but its own field, which comes last."""
    bytes_RN = part_R.view(np.uint8).reshape(len(part_R), part_R.dtype.itemsize)
    return np.array([zlib.crc32(row_N[:-4].tobytes()) for row_N in bytes_RN], np.uint32)


def _digest(index: bytes) -> str:
    return hashlib.sha256(index).hexdigest()[:16]
