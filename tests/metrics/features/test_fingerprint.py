r"""Tests for the energy_gans.metrics.features.fingerprint module, and the stamps that hold it."""

import copy
import functools
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from energy_gans.metrics.features import EfficientNetLite0, FeatureExtractor, Pixels
from energy_gans.metrics.features.fingerprint import NoFingerprintError, fingerprint

OWN = """
import functools
import torch
from torch import nn
from energy_gans.metrics.features import FeatureExtractor

SCALE = 2.0

def scaled(x):
    return x * SCALE

class Own(FeatureExtractor):
    name, resize, num_features = "own", "none", 4

    def __init__(self, seed=0, net=None, stride=1, activation=torch.relu):
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.register_buffer("w", torch.randn(12, 4, generator=random), persistent=False)
        self.net, self.activation = net, activation
        self.pool = nn.AvgPool2d(2, stride)

    def extract(self, images):
        step = lambda x: x + 1
        return scaled(step(self.pool(images.float()))).flatten(1) @ self.w, None
"""


def own(source: str = OWN, **arguments: Any) -> str:
    r"""Returns the SHA-256 in the stamp of an extractor that a module's source defines."""
    module = types.ModuleType("own")
    exec(compile(source, "own.py", "exec"), module.__dict__)
    return module.Own(**arguments).stamp()["sha256"]


def changed(old: str, new: str) -> str:
    assert old in OWN
    return own(OWN.replace(old, new))


def linear(seed: int) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(3, 3)


def test_the_same_extractor_has_the_same_fingerprint(tmp_path: Path) -> None:
    found = own()
    assert len(found) == 64
    assert own(seed=0) == own(OWN + "\n# A comment.\n") == found
    assert own(net=linear(1)) == own(net=linear(1))
    assert own(activation=nn.ReLU()) == own(activation=nn.ReLU())
    # In another process, and with a positional argument.
    code = f"{OWN}\nprint(Own(0).stamp()['sha256'])"
    (tmp_path / "own.py").write_text(OWN)
    code = "import own; print(own.Own(0).stamp()['sha256'])"
    run = [sys.executable, "-c", code]
    there = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert there.stdout.strip() == found


def test_what_decides_features_changes_the_fingerprint() -> None:
    found = [
        own(),
        own(seed=1),
        own(stride=2),
        own(activation=torch.tanh),
        own(activation=functools.partial(torch.clamp, min=0)),
        own(activation=functools.partial(torch.clamp, min=1)),
        own(net=linear(1)),
        own(net=linear(2)),
        own(net=linear(1).double()),
        own(net=nn.Conv2d(1, 1, 1, 1, bias=False).requires_grad_(False)),
        own(net=nn.Sequential(nn.ReLU())),
        own(net=nn.Sequential(nn.Tanh())),
        own(net=nn.MaxPool2d(2, 1)),
        own(net=nn.MaxPool2d(2, 2)),
        own(net=torch.ones(3)),
        own(net=torch.ones(3, 1)),
        own(net=np.ones(3)),
        own(net=[1, 2]),
        own(net=(1, 2)),
        own(net={"a": 1}),
        own(net=1),
        own(net=1.0),
        own(net=True),
        own(net="1"),
        # The code of a method, of a nested function, of a called function, and a constant in it.
        changed("flatten(1) @", "flatten(1) / 2 @"),
        changed("x + 1", "x + 2"),
        changed("x * SCALE", "x / SCALE"),
        changed("SCALE = 2.0", "SCALE = 3.0"),
        changed(
            'name, resize, num_features = "own"', 'tone, name, resize, num_features = 3, "own"'
        ),
        changed("nn.AvgPool2d(2, stride)", "nn.MaxPool2d(2, stride)"),
    ]
    assert len({*found}) == len(found)


@pytest.mark.parametrize("attribute, value", [("num_classes", 4), ("channels", 1)])
def test_attributes_count(attribute: str, value: int) -> None:
    extractor = Learned()
    before = extractor.stamp()["sha256"]
    setattr(extractor, attribute, value)
    assert extractor.stamp()["sha256"] != before


class Learned(FeatureExtractor):
    name, resize, num_features = "learned", "none", 3

    def __init__(self, *nets: Any, **more: Any) -> None:
        super().__init__()
        self.net = nn.Linear(3, 3)
        nn.init.ones_(self.net.weight), nn.init.zeros_(self.net.bias)

    def extract(self, images: Tensor) -> tuple[Tensor, None]:
        return self.net(images[:, 0, 0].float()), None


def test_weights_that_were_loaded_later_count() -> None:
    extractor = Learned()
    before = extractor.stamp()["sha256"]
    twin = copy.deepcopy(extractor)
    assert twin.stamp()["sha256"] == before == Learned().stamp()["sha256"]
    with torch.no_grad():
        twin.net.bias[1] += 1e-7
    assert twin.stamp()["sha256"] != before


def test_arguments_of_any_signature_count() -> None:
    found = [Learned(), Learned(1), Learned(1, 2), Learned(a=1), Learned(b=1)]
    assert len({extractor.stamp()["sha256"] for extractor in found}) == len(found)


def test_a_file_stands_for_what_it_holds(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    a, b, c, none = (Learned(str(tmp_path / name)).stamp()["sha256"] for name in "abcd")
    assert a == b == Learned(tmp_path / "a").stamp()["sha256"]
    assert len({a, c, none}) == 3
    assert Learned([str(tmp_path / "a")]).stamp() == Learned([str(tmp_path / "b")]).stamp()
    (tmp_path / "a").write_bytes(b"3")
    assert Learned(str(tmp_path / "a")).stamp()["sha256"] not in (a, c, none)


@pytest.mark.parametrize(
    "argument, told",
    [
        (iter([1]), "a list_iterator"),
        (types.SimpleNamespace(a=1), "a SimpleNamespace"),
        ([{"a": object()}], "a object"),
        (torch.zeros(3).to_sparse(), "a tensor that is sparse"),
        (np.array([{}], dtype=object), "an array of objects"),
        (torch.zeros(3, device="meta"), "a tensor that is sparse, quantized or empty"),
    ],
)
def test_what_has_no_fingerprint_is_refused_in_a_sentence(argument: object, told: str) -> None:
    with pytest.raises(ValueError, match=f"Learned was made with {told}.* an attribute 'sha256'"):
        Learned(argument).stamp()

    class Stated(Learned):
        sha256 = "of all that decides its features"

    assert Stated(argument).stamp()["sha256"] == Stated.sha256


def test_a_stated_sha256_is_taken() -> None:
    extractor = Learned()
    extractor.sha256 = "stated"
    assert extractor.stamp()["sha256"] == "stated"


class Halved(EfficientNetLite0):
    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return super().extract(images // 2)


def test_other_features_of_the_same_weights_are_others() -> None:
    theirs, ours = EfficientNetLite0(32), Halved(32)
    assert ours.sha256 == theirs.sha256 == theirs.stamp()["sha256"]
    assert ours.stamp()["sha256"] not in (theirs.sha256, Halved(32, None).sha256)
    assert ours.stamp() == Halved(32).stamp()
    assert type("Other", (Pixels,), {})((1, 2, 3)).stamp()["sha256"] is not None


@pytest.mark.parametrize("value", [print, len, torch.relu, nn.functional.relu, np.add, np])
def test_functions_of_packages_are_their_names(value: Any) -> None:
    assert fingerprint(a=value) == fingerprint(a=value) != fingerprint(a=torch.tanh)


def test_functions_count_by_code_and_by_what_they_hold() -> None:
    def plus(n: int) -> Callable[[int], int]:
        return lambda x: x + n

    def recursive(n: int) -> int:
        return recursive(n - 1) if n else 0

    assert fingerprint(f=plus(1)) == fingerprint(f=plus(1)) != fingerprint(f=plus(2))
    assert fingerprint(f=functools.cache(plus)) != fingerprint(f=plus)
    assert fingerprint(f=recursive) == fingerprint(f=recursive)
    ones, twos = torch.ones(2), torch.full((2,), 2.0)
    assert fingerprint(f=ones.add) == fingerprint(f=torch.ones(2).add) != fingerprint(f=twos.add)


def test_sets_have_no_order() -> None:
    assert fingerprint(a={*"abcdefgh"}) == fingerprint(a={*"hgfedcba"})
    with pytest.raises(NoFingerprintError):
        fingerprint(a={object()})
