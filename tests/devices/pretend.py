r"""A pretended GPU: tensors that say they are on `cuda:0`, with values that the CPU computes.

Torch's FakeTensorMode knows shapes only. Here adaptive solvers, rejected chains, boolean masks and
`.item()` need values, and where a build of torch has CUDA but the machine has no driver, its
backward pass fails. So :class:`PretendTensor` wraps a tensor of the CPU. Within :func:`pretend`

- an operation that mixes it with a tensor of the CPU raises the error of a GPU, except where a GPU
  accepts both: copies, indices, and scalars in elementwise operations;
- a generator of one device does not draw on the other;
- `.numpy()`, and `torch.from_numpy` in the other direction, know the CPU only;
- everything else is computed on the CPU, bit for bit as without the pretence.

In C++ the wrapper is on the device `meta`. That has no streams and no driver, and tells what a
backward formula creates on the device of its input from what a program creates on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

from .torch_cuda import CUDA, without_driver

HOST = torch.device("meta")
aten = torch.ops.aten
# What a GPU accepts with tensors of the CPU among its arguments.
COPIES = {aten.copy_, aten._foreach_copy_, aten._foreach_copy, aten.set_}
INDEXED = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}
FILLED = {aten.fill_, aten.fill, aten.masked_fill, aten.masked_fill_}


class PretendTensor(Tensor):
    r"""A tensor of the CPU that says it is on the GPU.

    Arguments:
        payload: The tensor.
    """

    payload: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    def __new__(cls, payload: Tensor, requires_grad: bool = False) -> PretendTensor:
        self = Tensor._make_wrapper_subclass(
            cls,
            payload.shape,
            strides=payload.stride(),
            storage_offset=payload.storage_offset(),
            dtype=payload.dtype,
            device=HOST,
            requires_grad=requires_grad,
        )
        self.payload = payload
        return self

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Sequence[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return compute(func, args, kwargs or {})

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_meta = is_cpu = property(lambda self: False)

    @property
    def data(self) -> PretendTensor:
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, PretendTensor):
            raise RuntimeError("`data` of a tensor on the GPU can not be set to one on the CPU")
        Tensor.data.__set__(self, value)
        self.payload = value.payload

    def get_device(self) -> int:
        return 0

    def tolist(self) -> Any:
        return self.payload.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first."
        )

    def __reduce_ex__(self, protocol: int) -> tuple:
        return self.payload.detach().__reduce_ex__(protocol)

    def __deepcopy__(self, memo: dict) -> PretendTensor:
        copied = PretendTensor(self.payload.detach().clone(), self.requires_grad)
        copied.__dict__ |= {k: v for k, v in self.__dict__.items() if k != "payload"}
        memo[id(self)] = copied
        return copied

    def __format__(self, spec: str) -> str:
        return format(self.payload.detach(), spec)

    def __repr__(self, **options: Any) -> str:
        return f"PretendTensor({self.payload.detach()!r})"


def compute(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    r"""Returns what an operation returns, on the device that a GPU's user would find it on."""
    tensors: list[Tensor] = []
    plain_args, plain_kwargs = unwrapped(args, tensors), unwrapped(kwargs, tensors)
    pretended = [isinstance(a, PretendTensor) for a in tensors]
    if any(pretended) and not all(pretended):
        check_mix(func, args, tensors)
    on_gpu = any(pretended)
    if kwargs.get("device") is not None:
        on_gpu = kwargs["device"].type in ("cuda", "meta")
        plain_kwargs["device"] = torch.device("cpu")
    if func.overloadpacket in COPIES:
        on_gpu = pretended[0]
    plain = func(*plain_args, **plain_kwargs)
    if not on_gpu:
        return plain
    out = wrapped(plain)
    return return_and_correct_aliasing(func, args, kwargs, out) if any(pretended) else out


def unwrapped(a: Any, found: list[Tensor] | None = None) -> Any:
    r"""Returns nested containers with tensors of the CPU, and adds what tensors they held."""
    if isinstance(a, Tensor):
        if found is not None:
            found.append(a)
        if isinstance(a, PretendTensor):
            return a.payload
        if a.is_meta:
            raise NotImplementedError("C++ made a tensor on the GPU whose values are unknown.")
        return a
    if isinstance(a, dict):
        return {k: unwrapped(v, found) for k, v in a.items()}
    if isinstance(a, (list, tuple)):
        parts = [unwrapped(v, found) for v in a]
        return parts if isinstance(a, list) else tuple(parts)
    return a


def wrapped(a: Any) -> Any:
    r"""Returns nested containers with tensors of the GPU."""
    if isinstance(a, Tensor):
        return PretendTensor(a)
    return type(a)(map(wrapped, a)) if isinstance(a, (list, tuple)) else a


def check_mix(func: Any, args: tuple, tensors: list[Tensor]) -> None:
    r"""Raises a `RuntimeError` unless a GPU accepts tensors of the CPU among the arguments."""
    packet = func.overloadpacket
    plain = [a for a in tensors if not isinstance(a, PretendTensor)]
    scalars = all(a.ndim == 0 for a in plain)
    if packet in COPIES:
        return
    if packet in INDEXED and isinstance(args[0], PretendTensor):
        values = [a for a in args[2:] if isinstance(a, Tensor)]
        if all(isinstance(a, PretendTensor) or a.ndim == 0 for a in values):
            return
    if scalars and (torch.Tag.pointwise in func.tags or packet in FILLED):
        return
    found = ", ".join(f"{a.device} {tuple(a.shape)}" for a in tensors)
    raise RuntimeError(f"Expected all tensors to be on the same device, but {func} found {found}.")


class _Dispatch(TorchDispatchMode):
    r"""Creates tensors on the pretended GPU, and moves tensors of the CPU to it."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return compute(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    r"""Names the device in C++ for the pretended GPU, and checks the devices of generators."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if "generator" in kwargs:
            check_generator(func, args, kwargs)
        if func is Tensor.pin_memory:
            return args[0]
        if func is Tensor.cuda:
            return args[0].to(HOST)
        if func is Tensor.new_tensor:
            options = {"dtype": args[0].dtype, "device": args[0].device} | kwargs
            device = host(options.pop("device"))
            return torch.tensor(*args[1:], **options).to(device)
        if func is Tensor.to:
            args = (args[0], *map(host, args[1:]))
        elif func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], without_lists(args[1]), *args[2:])
        if "device" in kwargs:
            kwargs = kwargs | {"device": host(kwargs["device"])}
            if func in (torch.tensor, torch.as_tensor, torch.asarray):
                device = kwargs.pop("device") or "cpu"
                return func(*args, **kwargs).to(device)
        out = func(*args, **kwargs)
        # What `torch.func.grad` hands on is no `PretendTensor`, but wraps one.
        return CUDA if func == Tensor.device.__get__ and out == HOST else out


def host(a: Any) -> Any:
    r"""Returns the device in C++ in place of the pretended GPU, and all else as it is."""
    if isinstance(a, (torch.device, str)) and str(a).partition(":")[0] == "cuda":
        return HOST
    return a


def without_lists(index: Any) -> Any:
    r"""Returns an index with tensors in place of lists, of which C++ would make tensors itself."""
    if isinstance(index, tuple):
        return tuple(map(without_lists, index))
    return torch.tensor(index) if isinstance(index, list) else index


def check_generator(func: Any, args: tuple, kwargs: dict[str, Any]) -> None:
    r"""Raises a `RuntimeError` if a generator is of another device than what is drawn."""
    generator = kwargs["generator"]
    if generator is None:
        return
    tensors = [a for a in args if isinstance(a, Tensor)]
    device = kwargs.get("device") or (tensors[0].device if tensors else "cpu")
    device = torch.device(device).type
    if device != generator.device.type:
        raise RuntimeError(
            f"Expected a '{device}' device type for generator but found "
            f"'{generator.device.type}' in {func}."
        )


@contextmanager
def pretend() -> Iterator[None]:
    r"""Makes `cuda` a device of this thread, on which the CPU computes."""
    with without_driver(), _Dispatch(), _Functions():
        yield


needs_pretence = pytest.mark.skipif(
    not hasattr(Tensor, "_make_wrapper_subclass"), reason="this torch has no wrapper tensors"
)
