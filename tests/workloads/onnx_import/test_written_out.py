"""Functions that files write out become a known one only where nothing in them differs from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto

from simcore.errors import WorkloadError
from tests.workloads.onnx_import.models import by_network, by_runtime, imported, node
from tests.workloads.onnx_import.operator_cases import Case, number
from workloads.layers import Activation

SILU = [node("Sigmoid", "x", "g"), node("Mul", "x g", "s")]
SOFTPLUS = [node("Exp", "x", "e"), node("Add", "e one", "f"), node("Log", "f", "s")]
ONE = {"one": number(1.0)}

#: Points around every bound below, as an image of one pixel.
IMAGES = np.array([-2e4, -1e3, -98, -93, -89, 0.3, 60, 89.5, 91, 97, 1e3, 2e4], np.float32)[None]

#: Bounds that layers keep, each beyond where functions used to be looked at.
BOUNDED: dict[str, list[NodeProto]] = {
    "clip-90": [*SILU, node("Clip", "s - hi")],
    "min-90": [*SILU, node("Min", "s hi")],
    "min-of-the-input": [node("Min", "x hi", "m"), node("Sigmoid", "m", "g"), node("Mul", "m g")],
}


@pytest.mark.parametrize("bound", [90.0, 1e4])
@pytest.mark.parametrize("name", BOUNDED)
def test_a_far_bound_is_kept(name: str, bound: float, tmp_path: Path) -> None:
    made = Case(BOUNDED[name], (12,), {"hi": number(bound)}).model()
    expected = by_runtime(made, IMAGES)
    in_reals = by_network(imported(made, tmp_path), IMAGES.reshape(1, 12, 1, 1))
    np.testing.assert_allclose(in_reals, expected, rtol=1e-5, atol=1e-6)


def test_a_bound_just_beyond_single_precision_is_kept(tmp_path: Path) -> None:
    nodes = [*SOFTPLUS, node("Clip", "s - hi")]
    made = Case(nodes, (12,), {**ONE, "hi": number(86.0)}).model()
    images = np.minimum(IMAGES, 88.0)
    images[0, 0] = 87.5
    expected = by_runtime(made, images)
    assert expected.max() == 86.0
    in_reals = by_network(imported(made, tmp_path), images.reshape(1, 12, 1, 1))
    np.testing.assert_allclose(in_reals, expected, rtol=1e-5, atol=1e-6)


#: What equals SiLU but somewhere, where no layer does what the file does.
DIFFERENT = {
    "far": ([node("Less", "x a", "l"), node("Where", "l c s")], {"a": number(-90), "c": number(50)}),
    "window": (
        [
            *(node("Less", "x a", "l"), node("Where", "l s c", "m")),
            *(node("Less", "x b", "k"), node("Where", "k m s")),
        ],
        {"a": number(-95), "b": number(-93), "c": number(50)},
    ),
    "narrow-window": (
        [
            *(node("Less", "x a", "l"), node("Where", "l s c", "m")),
            *(node("Less", "x b", "k"), node("Where", "k m s")),
        ],
        {"a": number(0.3011), "b": number(0.3012), "c": number(50)},
    ),
    "squared-distance": (
        [
            *(node("Sub", "x a", "d"), node("Mul", "d d", "q"), node("Less", "q b", "l")),
            node("Where", "l c s"),
        ],
        {"a": number(5000), "b": number(0.25), "c": number(50)},
    ),
    "noise": (
        [
            *(
                node("Exp", "x", "e"),
                node("Add", "e a", "f"),
                node("Sub", "f e", "h"),
                node("Sub", "h a", "i"),
            ),
            *(node("Mul", "i c", "k"), node("Add", "s k", "y")),
        ],
        {"a": number(1.0), "c": number(1e-38)},
    ),
    "infinite": (
        [node("Less", "x a", "l"), node("Where", "l c s")],
        {"a": number(-90), "c": number(-np.inf)},
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_function_that_differs_somewhere_is_refused(name: str, tmp_path: Path) -> None:
    nodes, constants = DIFFERENT[name]
    with pytest.raises(WorkloadError, match="no layer computes"):
        imported(Case([*SILU, *nodes], (12,), constants).model(), tmp_path)


def test_a_threshold_at_which_nothing_changes_does_no_harm(tmp_path: Path) -> None:
    nodes = [*SOFTPLUS, node("Greater", "x a", "l"), node("Where", "l x s")]
    network = imported(Case(nodes, (12,), {**ONE, "a": number(20.0)}).model(), tmp_path)
    (layer,) = (each for each in network.layers.values() if isinstance(each, Activation))
    assert (len(network.layers), layer.function) == (2, "softplus")
