"""What `config.shard` asks for: one of several equal parts of a corpus."""

import dataclasses
import re
from pathlib import Path

import ml_collections

from emoasr.errors import UserError

_SHARD = re.compile(r"([1-9][0-9]{0,8})(?:/|-of-)([1-9][0-9]{0,8})")


@dataclasses.dataclass(frozen=True, order=True)
class Shard:
    """One of several equal parts.

    Attributes:
        count: parts in all.
        number: which one, from 1.
    """

    count: int
    number: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """A name for files."""
        return f"{self.number}-of-{self.count}"

    @property
    def lock_name(self) -> str:
        """The name of its run lock: shards of one run work side by side."""
        return f"shard-{self.name}"

    def folder(self, workdir: Path) -> Path:
        """Where its run is, within that of the whole."""
        return workdir / "shards" / self.name


def parse(text: str) -> Shard | None:
    """The shard that a text names, as `3/16` or `3-of-16`; None where it is none."""
    match = _SHARD.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        return None
    return Shard(int(match[2]), int(match[1]))


def asked(config: ml_collections.ConfigDict) -> Shard | None:
    """The shard that `config.shard` asks for; None: the whole corpus.

    Raises:
        UserError: it is no shard.
    """
    if not config.shard:
        return None
    shard = parse(str(config.shard))
    if shard is None:
        raise UserError(f"config.shard={config.shard}: must be 1/N to N/N, such as 3/16")
    return shard


def check_none(config: ml_collections.ConfigDict) -> None:
    """Raises a UserError where `--merge`, which joins all shards, is asked for one."""
    if config.shard:
        raise UserError(f"config.shard={config.shard}: --merge joins all shards; leave it out")


def lock_name(config: ml_collections.ConfigDict) -> str:
    """The name of the run lock of what `config.shard` asks for; empty for the whole corpus."""
    shard = asked(config)
    return shard.lock_name if shard else ""
