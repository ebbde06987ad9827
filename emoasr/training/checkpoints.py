"""The state of a training on disk."""

from pathlib import Path
from typing import Any

from emoasr.errors import UserError
from emoasr.system import interrupts, limits


class TrainingCheckpoints:
    """Training states by step, in Orbax's format: arrays, and the data iterator's position.

    Orbax is not interrupted: its event loop would print what it swallows.
    """

    @interrupts.deferred()
    def __init__(self, folder: Path, keep: int = 2):
        """Opens the folder; a half-written checkpoint of a killed run is ignored."""
        from orbax.checkpoint import v1 as ocp  # half a second, which only a training needs

        self._folder = folder
        policies = ocp.training.preservation_policies
        self._checkpointer = ocp.training.Checkpointer(
            folder.absolute(), preservation_policy=policies.LatestN(keep),
            cleanup_tmp_directories=True,
        )  # fmt: skip

    def __enter__(self) -> "TrainingCheckpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Closes, except after an error: that would wait for other processes, which may be gone."""
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.close()

    @interrupts.deferred()
    def save(self, step: int, state: Any, data: dict[str, Any]) -> None:
        """Saves in the background; the next save waits for it."""
        self._checkpointer.save_checkpointables_async(
            step, {"state": state, "data": data}, force=True
        )

    @interrupts.deferred()
    def restore(self, like: Any) -> tuple[int, Any, dict[str, Any]] | None:
        """The newest step, its state (of `like`'s structure) and data position; None: none.

        Raises:
            UserError: it cannot be read.
        """
        latest = self._checkpointer.latest
        if latest is None:
            return None
        wanted = {"state": like, "data": None}
        try:
            with limits.errors_in_one_line():  # what the machine lacks is no fault of a checkpoint
                loaded = self._checkpointer.load_checkpointables(latest.step, wanted)
        except UserError:
            raise
        except Exception as error:  # of any kind, from Orbax, TensorStore or JSON
            raise UserError(
                f"{self._folder / str(latest.step)}: this checkpoint cannot be read "
                f"({type(error).__name__}); delete the folder, and the same command continues from "
                "the one before, or from the beginning"
            ) from error
        return latest.step, loaded["state"], loaded["data"]

    @interrupts.deferred()
    def close(self) -> None:
        """Waits for what is being written."""
        self._checkpointer.close()
