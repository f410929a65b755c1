"""MiniFASNet as a .tflite file, against a plain evaluation of the same weights that folds nothing."""

import math

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgeface.core.errors import ModelError
from edgeface.faces.models.minifasnet_network import V1SE, V2, Architecture, convert
from edgeface.faces.tflite import Model
from tests.support.checkpoints import saved, weights

Floats = NDArray[np.float64]
BOTH = pytest.mark.parametrize("architecture", [V2, V1SE], ids=lambda one: one.name)


class Plain:
    """The network layer by layer in float64, channels first, as the PyTorch modules of the same names compute it."""

    def __init__(self, tensors: dict[str, NDArray[np.float32]]) -> None:
        self.tensors = {name.removeprefix("module."): value.astype(np.float64) for name, value in tensors.items()}

    def shares(self, picture: Floats) -> Floats:
        at = self.part("conv1", picture, stride=2, border=1)
        at = self.part("conv2_dw", at, border=1)
        for half, stage, blocks in (("conv_23", "conv_3", 4), ("conv_34", "conv_4", 6), ("conv_45", "conv_5", 2)):
            at = self.block(half, at, stride=2)
            for number in range(blocks):
                at = at + self.excited(f"{stage}.model.{number}", self.block(f"{stage}.model.{number}", at, stride=1))
        at = self.part("conv_6_dw", self.part("conv_6_sep", at))
        at = self.norm("bn", self.tensors["linear.weight"] @ at.reshape(-1))
        powers = np.exp(self.tensors["prob.weight"] @ at)
        return np.asarray(powers / powers.sum())

    def block(self, name: str, at: Floats, stride: int) -> Floats:
        at = self.part(f"{name}.conv_dw", self.part(f"{name}.conv", at), stride, border=1)
        return self.part(f"{name}.project", at)

    def part(self, name: str, at: Floats, stride: int = 1, border: int = 0) -> Floats:
        at = self.norm(f"{name}.bn", convolved(at, self.tensors[f"{name}.conv.weight"], stride, border))
        slopes = self.tensors.get(f"{name}.prelu.weight")
        return at if slopes is None else np.where(at > 0, at, at * slopes[:, None, None])

    def excited(self, name: str, at: Floats) -> Floats:
        if f"{name}.se_module.fc1.weight" not in self.tensors:
            return at
        one, two = (self.tensors[f"{name}.se_module.fc{n}.weight"][:, :, 0, 0] for n in (1, 2))
        hidden = np.maximum(0, self.norm(f"{name}.se_module.bn1", one @ at.mean(axis=(1, 2))))
        return np.asarray(at / (1 + np.exp(-self.norm(f"{name}.se_module.bn2", two @ hidden)))[:, None, None])

    def norm(self, name: str, at: Floats) -> Floats:
        shape = (-1, *[1] * (at.ndim - 1))
        weight, bias, mean, variance = (
            self.tensors[f"{name}.{part}"].reshape(shape) for part in ("weight", "bias", "running_mean", "running_var")
        )
        return np.asarray((at - mean) / np.sqrt(variance + 1e-5) * weight + bias)


def convolved(at: Floats, kernel: Floats, stride: int, border: int) -> Floats:
    bordered = np.pad(at, ((0, 0), (border, border), (border, border)))
    windows = sliding_window_view(bordered, kernel.shape[2:], axis=(1, 2))[:, ::stride, ::stride]
    if kernel.shape[1] == 1 < len(at):
        return np.asarray(np.einsum("chwij,cij->chw", windows, kernel[:, 0]))
    return np.asarray(np.einsum("chwij,ocij->ohw", windows, kernel, optimize=True))


@BOTH
def test_the_file_computes_what_the_network_does(architecture: Architecture) -> None:
    tensors = weights(architecture)
    plain, model = Plain(tensors), Model(convert(architecture, saved(tensors), "w.pth"), "w.tflite")
    assert (model.input, model.outputs, model.floats) == ((1, 80, 80, 3), ((1, 3),), True)
    rng, found = np.random.default_rng(1), []
    for _ in range(6):
        # Brighter to one side, so that a shift by one pixel is seen.
        picture = rng.uniform(0, 1, (80, 80, 3)) * np.linspace(40, 255, 80)[:, None] * rng.uniform(0.2, 1, 3)
        (shares,) = model.run(picture[None].astype(np.float32))[0]
        found.append(shares)
        assert shares == pytest.approx(plain.shares(picture.astype(np.float32).transpose(2, 0, 1)), abs=1e-5)
    # The weights must be such that the result depends on the picture.
    assert np.ptp(found, axis=0).max() > 0.05
    assert all(0.001 < share < 0.999 for share in found[0])


@BOTH
def test_the_same_weights_give_the_same_bytes(architecture: Architecture) -> None:
    data = saved(weights(architecture))
    first, second = (convert(architecture, data, "w.pth") for _ in range(2))
    assert first == second
    assert convert(architecture, saved(weights(architecture, 6)), "w.pth") != first


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda found: found.pop("module.prob.weight"), "prob.weight is missing"),
        (lambda found: found.update({"module.more": np.ones(1, np.float32)}), "module.more has no place in it"),
        (lambda found: found.update({"module.bn.bias": np.ones(7, np.float32)}), r"bn.bias is \(7,\), not \(128,\)"),
        (lambda found: found.update({"module.bn.bias": np.full(128, math.nan, np.float32)}), "not finite"),
    ],
    ids=["missing", "more", "shape", "nan"],
)
def test_weights_of_another_form_are_refused(change: object, says: str) -> None:
    tensors = weights(V2)
    assert callable(change)
    change(tensors)
    with pytest.raises(ModelError, match=rf"^w\.pth: .*{says}"):
        convert(V2, saved(tensors), "w.pth")


def test_weights_of_the_other_network_are_refused() -> None:
    with pytest.raises(ModelError, match="not the weights of this network"):
        convert(V1SE, saved(weights(V2)), "w.pth")
