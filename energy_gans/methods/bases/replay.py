r"""Methods whose chains continue from the states of a replay buffer."""

from __future__ import annotations

from typing import Any, Literal

from ..parts.replay_buffer import ReplayBuffer, State


class ReplayMixin:
    r"""Gives a :class:`GenerativeModule` a replay buffer of the states of chains.

    Among the bases of a class, the mixin precedes the module.

    Arguments:
        buffer_size: The number of states in the replay buffer, a multiple of the minibatch. If
            both are equal, the buffer holds one chain for each place of the minibatch.
        restart: The share of persistent chains that start anew.
        buffer_dtype: The type in which points are stored, `"float32"` or `"uint8"`.
        buffer_folder: The folder of the file that holds the points; they are in memory if `None`.
        kwargs: The arguments of :class:`GenerativeModule`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        buffer_size: int = 4096,
        restart: float = 0.0,
        buffer_dtype: Literal["float32", "uint8"] = "float32",
        buffer_folder: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.buffer = ReplayBuffer(buffer_size, restart, buffer_dtype, buffer_folder)

    @property
    def replays(self) -> bool:
        r"""Whether the chains of a minibatch continue from the buffer."""
        return self.start == "persistent"

    def on_train_start(self) -> None:
        super().on_train_start()
        if self.global_step == 0:
            # What another run has left.
            self.buffer.states = {}

    def check_batch_size(self, n: int) -> None:
        super().check_batch_size(n)
        if self.replays and self.batch_length not in (0, n):
            raise ValueError(
                "the replay buffer holds chains for each place of a minibatch, so all batches "
                f"should have {self.batch_length} samples, got {n}."
            )

    def replay(self, fresh: State) -> State:
        r"""Returns the initial states of chains: see :meth:`ReplayBuffer.replay`."""
        return self.buffer.replay(fresh, self.share_of, self.global_rank, self.world_size)

    def carried_state(self) -> dict[str, Any]:
        states = self.buffer.carried()
        return super().carried_state() | ({"buffer": states} if states else {})

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        super().on_save_checkpoint(checkpoint)
        self.buffer.save(checkpoint, self.gather)

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        super().on_load_checkpoint(checkpoint)
        self.buffer.load(checkpoint)
