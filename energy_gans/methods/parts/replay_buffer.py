r"""A replay buffer: the states in which chains were left, from which later ones go on.

Each place of the global minibatch has a part of the buffer of its own, of :math:`M / B` states, and
goes on from one of them at random. So the chains of one minibatch are never the same chain twice,
and a process that holds every world-size-th place of the minibatch holds these places' states: two
processes do what one does, and a buffer saved by two can be read by one.

With :math:`M = B` it holds the persistent chains of contrastive divergence.

References:
    Training Restricted Boltzmann Machines using Approximations to the Likelihood Gradient (Tieleman,
    2008)
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

LEVELS = 127.5
State = dict[str, Tensor]


class ReplayBuffer:
    r"""Creates an empty replay buffer.

    Arguments:
        size: The number of states :math:`M`, of all processes together.
        restart: The share of chains that start afresh, in [0, 1].
        dtype: How states are kept: as `"float32"`, or as `"uint8"`, in 256 levels of [-1, 1], which
            takes a quarter of the memory.
        folder: The folder in which a file without a name holds the states, mapped into memory;
            memory itself if `None`.

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
        check_count("size", size)
        if not 0 <= restart <= 1:
            raise ValueError(f"'restart' should be in [0, 1], got {restart!r}.")
        if dtype not in ("float32", "uint8"):
            raise ValueError(f"'dtype' should be 'float32' or 'uint8', got {dtype!r}.")
        self.size, self.restart, self.folder = size, restart, folder
        self.dtype = torch.float32 if dtype == "float32" else torch.uint8
        self.states: State = {}
        self.saved: State | None = None

    # What a method calls

    def replay(
        self, fresh: State, share: Callable[..., Tensor], rank: int = 0, world_size: int = 1
    ) -> State:
        r"""Returns where the chains of a minibatch start, most of them where earlier ones were left.

        Arguments:
            fresh: Where chains start that have no state to go on from, of this process's places: `x`,
                the points, and what else belongs to a chain, each with shape :math:`(B / W, *)`.
            share: Returns this process's share of what a function draws for the global minibatch.
            rank: The number of this process.
            world_size: The number of processes :math:`W`.

        Raises:
            ValueError: If the number of states is not a multiple of the minibatch, or a checkpoint's
                are of another buffer.
        """
        if not self.states:
            self.allocate(fresh, world_size)
            if self.saved is not None:
                self.restore({name: s[rank::world_size] for name, s in self.saved.items()})
                self.saved = None
        return self.draw(fresh, share)

    def carried(self) -> State:
        r"""Returns the states of this process's places, or those that a checkpoint held."""
        return self.contents() if self.states else self.saved or {}

    def save(self, checkpoint: dict, gather: Callable[[Tensor], Tensor]) -> None:
        r"""Puts the states of all processes, which a function gathers, into a checkpoint."""
        if self.states:
            contents = self.contents().items()
            checkpoint["buffer"] = {name: gather(states) for name, states in contents}
        elif self.saved is not None:
            checkpoint["buffer"] = self.saved

    def load(self, checkpoint: dict) -> None:
        r"""Takes the states of a checkpoint, which are shared out at the next :meth:`replay`."""
        self.states, self.saved = {}, checkpoint.get("buffer")

    # Its states

    def allocate(self, state: State, world_size: int = 1) -> None:
        r"""Makes room for the states of this process's places, all of them empty.

        Arguments:
            state: What a state holds, of its part of a minibatch: `x`, the points, and what else
                belongs to a chain, each with shape :math:`(B / W, *)`.
            world_size: The number of processes :math:`W`.

        Raises:
            ValueError: If the number of states is not a multiple of the minibatch.
        """
        places = len(state["x"])
        if self.size % (places * world_size):
            raise ValueError(
                f"'buffer_size' should be a multiple of the minibatch of {places * world_size}, got "
                f"{self.size}."
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
            self.states["x"] = mapped(self.folder, shape, self.dtype)
        self.filled = torch.zeros(places, slots, dtype=torch.bool, device=x.device)

    def draw(self, fresh: State, share: Callable[..., Tensor]) -> State:
        r"""Returns where the chains of a minibatch start.

        Arguments:
            fresh: Where those start that start afresh.
            share: Returns this process's share of what a function draws for the global minibatch.
        """
        places, slots = self.filled.shape
        slot = share(lambda n, **kwargs: torch.randint(slots, (n,), **kwargs), places)
        self.rows = torch.arange(places, device=slot.device), slot
        kept = (share(torch.rand, places) >= self.restart) & self.filled[self.rows]
        state = {}
        for name, part in fresh.items():
            known = decoded(self.states[name][self.rows_of(name)]).to(part)
            state[name] = torch.where(kept.reshape(-1, *[1] * (part.ndim - 1)), known, part)
        return state

    def store(self, state: State) -> None:
        r"""Keeps where the chains of the last draw have come to."""
        for name, part in state.items():
            kept = self.states[name]
            kept[self.rows_of(name)] = encoded(part, kept.dtype).to(kept.device)
        self.filled[self.rows] = True

    def points(self) -> Tensor:
        r"""Returns the points of this process's states that chains came to, with shape :math:`(N, *)`."""
        x = self.states["x"]
        return decoded(x[self.filled.to(x.device)]).to(self.filled.device)

    def rows_of(self, name: str) -> tuple[Tensor, ...]:
        r"""Returns the rows of the last draw where a part of the states lies."""
        return tuple(i.to(self.states[name].device) for i in self.rows)

    def contents(self) -> State:
        r"""Returns what this process's places hold, and which of them are `filled`."""
        return self.states | {"filled": self.filled}

    def restore(self, contents: State) -> None:
        r"""Puts back what this process's places held.

        Raises:
            ValueError: If it is that of another size of buffer or of samples.
        """
        mine = self.contents()
        for name in mine.keys() | contents.keys():
            shapes = [
                (tuple(c[name].shape), c[name].dtype) if name in c else None
                for c in (mine, contents)
            ]
            if shapes[0] != shapes[1]:
                raise ValueError(
                    f"The checkpoint's replay buffer should hold as {name!r} {shapes[0]}, got {shapes[1]}."
                )
            mine[name].copy_(contents[name])


def encoded(x: Tensor, dtype: torch.dtype) -> Tensor:
    r"""Returns points of [-1, 1] as they are kept."""
    if dtype == torch.uint8:
        return ((x + 1) * LEVELS).round().clamp(0, 255).to(dtype)
    return x.to(dtype)


def decoded(states: Tensor) -> Tensor:
    r"""Returns points as they were, but for rounding."""
    return states / LEVELS - 1 if states.dtype == torch.uint8 else states


def mapped(folder: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    r"""Returns zeros that lie in a file, which is gone when the last who uses them is.

    Raises:
        ValueError: If there is no such folder.
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
