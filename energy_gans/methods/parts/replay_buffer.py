r"""A replay buffer: the states at which chains ended, from which later chains continue.

Each place of the global minibatch has its own part of the buffer, :math:`M / B` states, and
continues from a random one of them. The chains of one minibatch are therefore distinct. A process
that holds every :math:`W`-th place of the minibatch holds the states of these places: two
processes do what one does, and a buffer that two processes saved can be loaded by one.

With :math:`M = B`, the buffer holds the persistent chains of contrastive divergence.

References:
    Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient
    (Tieleman, 2008)
    Implicit Generation and Generalization in Energy-Based Models (Du and Mordatch, 2019),
    https://arxiv.org/abs/1903.08689
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ...checks import check_count

# Half of the largest uint8, which encodes [-1, 1] as [0, 255].
_HALF_RANGE = 127.5
State = dict[str, Tensor]


class ReplayBuffer:
    r"""Replay buffer of the states of chains, saved with the model.

    Arguments:
        size: The number of states :math:`M` of all processes together.
        restart: The share of chains that start anew, in [0, 1].
        dtype: The type in which points are stored: `"float32"`, or `"uint8"`, 256 levels of [-1,
            1], which takes a quarter of the memory.
        folder: The folder of an unnamed file that holds the points and is mapped into memory. If
            `None`, points are in memory.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        size: int,
        restart: float = 0.0,
        dtype: Literal["float32", "uint8"] = "float32",
        folder: str | None = None,
    ) -> None:
        check_count("buffer_size", size)
        if not 0 <= restart <= 1:
            raise ValueError(f"'restart' should be in [0, 1], got {restart!r}.")
        if dtype not in ("float32", "uint8"):
            raise ValueError(f"'buffer_dtype' should be 'float32' or 'uint8', got {dtype!r}.")
        self.size, self.restart, self.folder = size, restart, folder
        self.dtype = torch.float32 if dtype == "float32" else torch.uint8
        self.states: State = {}
        self.saved: State | None = None

    # What a method calls

    def replay(
        self, fresh: State, share: Callable[..., Tensor], rank: int = 0, world_size: int = 1
    ) -> State:
        r"""Returns the states at which the chains of a minibatch start.

        Arguments:
            fresh: The states of this process's places at which chains start anew: the points `x`,
                and all else that belongs to a chain, each with shape :math:`(B / W, *)`.
            share: Returns this process's share of a draw for the global minibatch.
            rank: The rank of this process.
            world_size: The number of processes :math:`W`.

        Returns:
            The states, with the `slot` of each chain, for :meth:`store`.

        Raises:
            ValueError: If the number of states is not a multiple of the minibatch, the minibatch
                has another size than earlier ones, or a checkpoint holds the states of another
                buffer.
        """
        if not self.states:
            self.allocate(fresh, world_size)
            if self.saved is not None:
                self.restore({name: s[rank::world_size] for name, s in self.saved.items()})
                self.saved = None
        return self.draw(fresh, share)

    def carried(self) -> State:
        r"""Returns the states of this process's places, or those of a loaded checkpoint."""
        return self.contents() if self.states else self.saved or {}

    def save(self, checkpoint: dict, gather: Callable[[Tensor], Tensor]) -> None:
        r"""Adds the states of all processes to a checkpoint.

        Arguments:
            checkpoint: The contents of the checkpoint.
            gather: Returns the samples of all processes.
        """
        if self.states:
            contents = self.contents().items()
            checkpoint["buffer"] = {name: gather(states) for name, states in contents}
        elif self.saved is not None:
            checkpoint["buffer"] = self.saved

    def load(self, checkpoint: dict) -> None:
        r"""Loads the states of a checkpoint, which the next :meth:`replay` shares out."""
        self.states, self.saved = {}, checkpoint.get("buffer")

    # Its states

    def allocate(self, state: State, world_size: int = 1) -> None:
        r"""Allocates empty states for this process's places.

        Arguments:
            state: Examples of states: the points `x`, and all else that belongs to a chain, each
                with shape :math:`(B / W, *)`.
            world_size: The number of processes :math:`W`.

        Raises:
            ValueError: If the number of states is not a multiple of the minibatch.
        """
        places = len(state["x"])
        if self.size % (places * world_size):
            raise ValueError(
                f"'buffer_size' should be a multiple of the minibatch of {places * world_size}, "
                f"got {self.size}."
            )
        slots = self.size // (places * world_size)
        self.states = {
            name: torch.zeros(places, slots, *part.shape[1:], dtype=part.dtype, device=part.device)
            for name, part in state.items()
            if name != "x"
        }
        x = state["x"]
        shape = (places, slots, *x.shape[1:])
        if self.folder is None:
            self.states["x"] = torch.zeros(shape, dtype=self.dtype, device=x.device)
        else:
            self.states["x"] = _zeros_in_file(self.folder, shape, self.dtype)
        self.filled = torch.zeros(places, slots, dtype=torch.bool, device=x.device)

    def draw(self, fresh: State, share: Callable[..., Tensor]) -> State:
        r"""Returns the states at which the chains of a minibatch start, with their `slot`.

        Arguments:
            fresh: The states of chains that start anew.
            share: Returns this process's share of a draw for the global minibatch.

        Raises:
            ValueError: If the minibatch has another size than earlier ones.
        """
        places, slots = self.filled.shape
        if len(fresh["x"]) != places:
            raise ValueError(
                "The replay buffer holds chains for each place of a minibatch, so minibatches "
                f"should have {places} samples, got {len(fresh['x'])}."
            )
        slot = share(lambda n, **kwargs: torch.randint(slots, (n,), **kwargs), places)
        continues = share(torch.rand, places) >= self.restart
        continues &= self.filled[self.rows(slot, self.filled)]
        state = {"slot": slot}
        for name, part in fresh.items():
            stored = self.states[name]
            known = _decode(stored[self.rows(slot, stored)]).to(part)
            state[name] = torch.where(continues.reshape(-1, *[1] * (part.ndim - 1)), known, part)
        return state

    def store(self, state: State) -> None:
        r"""Stores the ends of chains in the slots from which :meth:`draw` took their starts.

        Arguments:
            state: The states, as :meth:`draw` returns them, with `slot`.
        """
        for name, stored in self.states.items():
            rows = self.rows(state["slot"], stored)
            stored[rows] = _encode(state[name], stored.dtype).to(stored.device)
        self.filled[self.rows(state["slot"], self.filled)] = True

    def rows(self, slot: Tensor, stored: Tensor) -> tuple[Tensor, Tensor]:
        r"""Returns the indices, by place and slot, of a minibatch's chains in a stored tensor."""
        place = torch.arange(len(slot), device=stored.device)
        return place, slot.to(stored.device)

    def points(self) -> Tensor:
        r"""Returns the points of this process's filled states, with shape :math:`(N, *)`."""
        x = self.states["x"]
        return _decode(x[self.filled.to(x.device)]).to(self.filled.device)

    def contents(self) -> State:
        r"""Returns the states of this process's places, and which of them are `filled`."""
        return self.states | {"filled": self.filled}

    def restore(self, contents: State) -> None:
        r"""Restores the states of this process's places.

        Arguments:
            contents: The value of :meth:`contents`.

        Raises:
            ValueError: If the shapes or types are those of another buffer.
        """
        mine = self.contents()
        for name in mine.keys() | contents.keys():
            shapes = [
                (tuple(c[name].shape), c[name].dtype) if name in c else None
                for c in (mine, contents)
            ]
            if shapes[0] != shapes[1]:
                raise ValueError(
                    f"The checkpoint's replay buffer should hold as {name!r} {shapes[0]}, got "
                    f"{shapes[1]}."
                )
            mine[name].copy_(contents[name])


def _encode(x: Tensor, dtype: torch.dtype) -> Tensor:
    r"""Returns points in [-1, 1] in the type in which they are stored."""
    if dtype == torch.uint8:
        return ((x + 1) * _HALF_RANGE).round().clamp(0, 255).to(dtype)
    return x.to(dtype)


def _decode(states: Tensor) -> Tensor:
    r"""Returns stored points as numbers in [-1, 1], up to rounding; other states are unchanged."""
    return states / _HALF_RANGE - 1 if states.dtype == torch.uint8 else states


def _zeros_in_file(folder: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    r"""Returns zeros in a memory-mapped file, which is deleted with the last reference to them.

    Raises:
        ValueError: If the folder does not exist or can not be written to.
    """
    numel = math.prod(shape)
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.truncate(numel * dtype.itemsize)
            return torch.from_file(file.name, shared=True, size=numel, dtype=dtype).view(shape)
    except OSError as error:
        raise ValueError(
            f"'buffer_folder' should be a folder to write to, got {folder!r}: {error}"
        ) from error
