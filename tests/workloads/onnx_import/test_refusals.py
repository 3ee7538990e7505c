"""What cannot be mapped is said all at once: node, operator, reason, and the smallest edit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import ModelProto, TensorProto, helper

from imcsim.cli import main
from simcore.errors import WorkloadError
from tests.workloads.onnx_import.models import imported, model, node
from tests.workloads.onnx_import.operator_cases import MAP, Case, alone, floats, number, vector, whole

POINT = {"w": floats(3, 3, 1, 1)}

#: For each refusal of one node: the model, and what is said of it behind the node's name and operator.
REFUSALS: dict[str, tuple[Case, str]] = {
    "product-of-two": (
        Case([node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("MatMul", "x t")], MAP),
        "it multiplies two computed tensors, (1, 3, 4, 5) by (1, 3, 5, 4), but neither as queries and keys "
        "nor as shares and values; keep features in the channels of tokens, or replace one side by a "
        "constant",
    ),
    "computed-weights": (
        Case([node("Relu", "x", "w"), node("Conv", "x w")], (1, 3, 3)),
        "its input 'w' is computed while the network runs; make it a constant",
    ),
    "no-channels": (
        Case([node("Squeeze", "x a", "v"), node("LRN", "v", size=3)], (4,), {"a": np.array([0])}),
        "its input (4,) has no axis 1; keep the batch axis",
    ),
    "transposed-convolution": (
        alone("ConvTranspose", "x w", MAP, {"w": floats(3, 2, 2, 2)}),
        "no layer stands for this operator; compute it outside the network",
    ),
    "layer-norm-of-pixels": (
        alone("LayerNormalization", "x s", (3, 4), {"s": floats(3, 4)}, axis=1),
        "it normalises over 2 axes of (1, 3, 4); normalise over channels",
    ),
    "instance-norm": (
        alone("InstanceNormalization", "x s s", MAP, {"s": floats(3)}),
        "it computes its statistics anew for each image; train with BatchNormalization instead",
    ),
    "recurrent": (
        alone("GRU", "x w r", (2, 3), {"w": floats(1, 6, 3), "r": floats(1, 6, 2)}, hidden_size=2),
        "it keeps a state from step to step; use convolutions over the sequence instead",
    ),
    "constant-of-pixels": (
        alone("Mul", "x c", MAP, {"c": floats(4, 5)}),
        "its constant of shape (4, 5) is not one number for each of 3 channels; use one number for each "
        "channel",
    ),
    "constant-of-rows": (
        Case([node("Conv", "x w", "y"), node("Mul", "y c", "z")], MAP, {**POINT, "c": floats(4, 1)}),
        "its constant of shape (4, 1) is not one number for each of 3 channels; use one number for "
        "each channel",
    ),
    "three-axes-of-pixels": (
        alone("Conv", "x w", (2, 3, 4, 5), {"w": floats(1, 2, 1, 1, 1)}),
        "the network takes 4 axes beside the batch's; use images with rows and columns",
    ),
    "interpolation": (
        alone("Resize", "x - s", MAP, {"s": vector(1, 1, 2, 2)}, mode="linear"),
        "it interpolates (linear); resize to the nearest pixel",
    ),
    "cropping-resize": (
        alone(
            "Resize",
            "x r s",
            MAP,
            {"r": vector(0, 0, 0, 0, 1, 1, 1, 1), "s": vector(1, 1, 2, 2)},
            coordinate_transformation_mode="tf_crop_and_resize",
        ),
        "its coordinates are tf_crop_and_resize; use asymmetric or half_pixel ones",
    ),
    "exponential": (
        alone("Exp", "x", MAP),
        "no layer computes Exp alone; use one of the activation functions that `imcsim` knows, or "
        "compute it "
        "outside the network",
    ),
    "division": (
        Case([node("Conv", "x w", "y"), node("Div", "x y", "z")], MAP, POINT),
        "it divides by what is computed while the network runs; multiply instead",
    ),
    "celu": (
        alone("Celu", "x", MAP, alpha=0.5),
        "its alpha is 0.5; use an alpha of 1, or an Elu",
    ),
    "slopes": (
        alone("PRelu", "x s", MAP, {"s": floats(3, 1, 1)}),
        "it has a slope for each channel; use one slope, or a LeakyRelu",
    ),
    "cube": (
        alone("Pow", "x c", MAP, {"c": number(3.0)}),
        "no layer computes a power of 3; compute it outside the network",
    ),
    "largest-of-two": (
        Case([node("Tanh", "x", "t"), node("Max", "x t")], MAP),
        "it takes the max of tensors; compare with one number only",
    ),
    "places-of-maxima": (
        Case(
            [node("MaxPool", "x", "y i", kernel_shape=[2, 2]), node("Cast", "i", "z", to=1)],
            MAP,
        ),
        "it tells the places of its maxima; use its values only",
    ),
    "mean-of-channels": (
        Case([node("Conv", "x w", "y"), node("ReduceMean", "y a", "z")], MAP, {**POINT, "a": whole(1)}),
        "it reduces axes [1] of (1, 3, 4, 5), which are not all pixels of a channel; reduce rows, "
        "columns or both",
    ),
    "training-norm": (
        Case(
            [node("BatchNormalization", "x s s s v", "y m n", training_mode=1)],
            MAP,
            {"s": floats(3), "v": np.ones(3, np.float32)},
        ),
        "it computes its statistics anew (training_mode=1); export in inference mode",
    ),
    "negative-variance": (
        alone("BatchNormalization", "x s s s v", MAP, {"s": floats(3), "v": vector(1, 1, -1)}),
        "it divides by the root of a variance that is not positive; train it anew",
    ),
    "not-finite": (
        alone("Conv", "x w", MAP, {"w": np.full((1, 3, 1, 1), np.nan, np.float32)}),
        "its input 'w' holds nan or infinity; train it anew",
    ),
    "attribute-not-finite": (
        alone("LeakyRelu", "x", MAP, alpha=float("nan")),
        "its attribute alpha is nan; export it anew",
    ),
    "zero-to-divide-by": (
        alone("Div", "x c", MAP, {"c": number(0.0)}),
        "its constant holds nan, infinity, or a zero to divide by; train it anew",
    ),
    "padding-with-ones": (
        alone("Pad", "x p v", MAP, {"p": whole(0, 0, 1, 1, 0, 0, 1, 1), "v": number(1.0)}),
        "it pads with 1.0; pad with 0",
    ),
    "softmax-not-at-the-end": (
        Case([node("LogSoftmax", "x", axis=1), node("Relu", "y", "z")], MAP),
        "something reads its result; end the network with it",
    ),
    "torn-axes": (
        alone("Reshape", "x s", (4, 3, 2), {"s": whole(1, 6, 2, 2)}),
        "it reshapes (1, 4, 3, 2) to (1, 6, 2, 2) across channels and pixels; reshape only within "
        "one of them",
    ),
    "to-integers": (
        Case([node("Cast", "x", to=7), node("Cast", "y", "z", to=1)], MAP),
        "it turns real numbers into integers; end the network before it",
    ),
    "norm": (
        alone("LpNormalization", "x", MAP),
        "no layer stands for this operator; compute it outside the network",
    ),
    "sum-with-constant": (
        alone("Sum", "x c", MAP, {"c": floats(3, 1, 1)}),
        "it adds a constant; add it with an Add of its own",
    ),
    "joined-pixels": (
        Case([node("Conv", "x w", "y"), node("Concat", "x y", "z", axis=2)], MAP, POINT),
        "axis 2 of its input (1, 3, 4, 5) does not hold the channels; leave the order of axes alone "
        "before it",
    ),
    "einsum": (
        alone("Einsum", "x w", (3, 4), {"w": floats(4, 5)}, equation="bij,jk->bik"),
        "no layer stands for this operator; compute it outside the network",
    ),
    "worked-out-constant": (
        Case([node("Det", "c", "d"), node("Mul", "x d")], MAP, {"c": floats(2, 2)}),
        "it computes on constants only, with an operator that is not worked out; fold constants "
        "before exporting, "
        "for instance with onnx-simplifier",
    ),
    "constant-bomb": (
        Case([node("ConstantOfShape", "s", "c"), node("Add", "x c")], MAP, {"s": whole(2**40, 1, 1, 1)}),
        "it makes a constant of 1099511627776 elements, at most 268435456 are allowed; store less",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_names_node_operator_reason_and_edit(name: str, tmp_path: Path) -> None:
    case, said = REFUSALS[name]
    with pytest.raises(WorkloadError) as refused:
        imported(case.model(), tmp_path)
    first, *lines = str(refused.value).splitlines()
    assert first == f"{tmp_path / 'model.onnx'}: 1 node cannot be mapped:"
    labels = [f"{each.name} ({each.op_type})" for each in case.nodes]
    assert lines in [[f"{label}: {said}"] for label in labels]


def test_all_problems_are_told_at_once_and_none_only_follows_from_another(tmp_path: Path) -> None:
    made = model(
        [
            node("ConvTranspose", "x w", "a"),
            node("Relu", "a", "b"),  # follows
            node("Resize", "x - s", "c", mode="cubic"),
            node("GlobalAveragePool", "x", "d"),
            node("Add", "b c", "e"),  # follows
            node("Exp", "d", "f"),
            node("Conv", "f k", "g"),
            node("Conv", "f k", "h"),
            node("Sum", "e g h"),
        ],
        ("N", *MAP),
        {"w": floats(3, 3, 2, 2), "k": floats(3, 3, 1, 1), "s": vector(1, 1, 1.25, 1.2)},
    )
    with pytest.raises(WorkloadError) as refused:
        imported(made, tmp_path)
    _, *lines = str(refused.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "ConvTranspose_a (ConvTranspose)",
        "Resize_c (Resize)",
        "Exp_f (Exp)",
    ]


def test_what_is_refused_whatever_it_reads_is_told_behind_other_problems_too(tmp_path: Path) -> None:
    made = model(
        [
            node("ConvTranspose", "x w", "a"),
            node("InstanceNormalization", "a s s", "b"),
            node("LpNormalization", "b", "c"),
            node("Resize", "c - z", "d", mode="cubic"),
            node("Pad", "d p", "e", mode="mirror"),
            node("Exp", "e", "f"),  # may be a part of a known function
            node("Relu", "f", "g"),
        ],
        ("N", *MAP),
        {
            "w": floats(3, 3, 2, 2),
            "s": floats(3),
            "z": vector(1, 1, 2, 2),
            "p": whole(0, 0, 1, 1, 0, 0, 1, 1),
        },
    )
    with pytest.raises(WorkloadError) as refused:
        imported(made, tmp_path)
    _, *lines = str(refused.value).splitlines()
    assert [line.split("_")[0] for line in lines] == [
        "ConvTranspose",
        "InstanceNormalization",
        "LpNormalization",
        "Resize",
        "Pad",
    ]


def test_a_layout_that_does_not_help_hides_no_problem(tmp_path: Path) -> None:
    made = model(
        [
            node("Conv", "x w", "a"),
            node("ConvTranspose", "a t", "b"),
            node("Exp", "a", "c"),
            node("Conv", "c w", "d"),
            node("GlobalAveragePool", "b", "e"),
            node("Add", "d e"),
        ],
        ("N", 3, 6, 6),
        {"w": floats(3, 3, 1, 1), "t": floats(3, 3, 2, 2)},
    )
    with pytest.raises(WorkloadError) as refused:
        imported(made, tmp_path)
    _, *lines = str(refused.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["ConvTranspose_b (ConvTranspose)", "Exp_c (Exp)"]


ALONG_THE_BATCH = {
    "mean": [node("ReduceMean", "x zero")],
    "mean-of-pixels-too": [node("ReduceMean", "x pixels")],
    "mean-of-all": [node("ReduceMean", "x")],
    "maximum": [node("ReduceMax", "x zero")],
    "cut": [node("Slice", "x zero one zero")],
    "cut-from-behind": [node("Slice", "x minus most zero minus")],
    "taken": [node("Gather", "x zero", axis=0)],
    "split": [node("Split", "x", "y", axis=0, num_outputs=1)],
    "shares": [node("Softmax", "x", axis=0)],
    "joined": [node("Relu", "x", "r"), node("Concat", "x r", axis=0)],
    "flattened": [node("Flatten", "x", axis=0)],
}
AXES = {
    "zero": whole(0),
    "one": whole(1),
    "minus": whole(-1),
    "most": whole(-(2**62)),
    "pixels": whole(0, 2, 3),
}


@pytest.mark.parametrize("batch", ["N", 4])
@pytest.mark.parametrize("name", ALONG_THE_BATCH)
def test_what_works_along_the_batch_is_refused_for_more_than_one_image(
    name: str, batch: str | int, tmp_path: Path
) -> None:
    with pytest.raises(WorkloadError, match="it works along the batch axis, but a run takes one image"):
        imported(model(ALONG_THE_BATCH[name], (batch, 1, 4, 5), AXES), tmp_path)


@pytest.mark.parametrize("name", ["mean", "mean-of-pixels-too", "cut", "taken", "split"])
def test_in_a_file_for_one_image_the_batch_is_an_axis_like_any(name: str, tmp_path: Path) -> None:
    imported(model(ALONG_THE_BATCH[name], (1, 3, 4, 5), AXES), tmp_path)


@pytest.mark.parametrize("batch", ["N", 4])
def test_all_images_of_the_batch_may_be_cut_out(batch: str | int, tmp_path: Path) -> None:
    ends = AXES | {"most": whole(2**62)}
    assert imported(model([node("Slice", "x zero most zero")], (batch, *MAP), ends), tmp_path)


def with_input(made: ModelProto, change: Callable[[Any], None]) -> ModelProto:
    change(made.graph.input[0].type.tensor_type)
    return made


def branches() -> ModelProto:
    then, other = (
        helper.make_graph(
            [node(kind, "x", "b")],
            kind,
            [],
            [helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", 3])],
        )
        for kind in ("Relu", "Tanh")
    )
    choice = helper.make_node("If", ["c"], ["y"], name="If_y", then_branch=then, else_branch=other)
    return model([choice], ("N", 3), {"c": np.array(True)})


def two_inputs() -> ModelProto:
    made = model([node("Relu", "x")], ("N", 3))
    made.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["N", 3]))
    return made


def relu(shape: Sequence[int | str | None], kind: int = TensorProto.FLOAT) -> ModelProto:
    return model([node("Relu", "x")], shape, kind=kind)


def unknown_domain() -> ModelProto:
    strange = node("FusedThing", "x")
    strange.domain = "com.vendor"
    made = model([node("Relu", "x")], ("N", 3))
    made.graph.node[0].CopyFrom(strange)
    made.opset_import.append(helper.make_opsetid("com.vendor", 1))
    return made


MODELS: dict[str, tuple[ModelProto, str]] = {
    "if": (
        branches(),
        "If_y (If): what it computes is only decided while the network runs; export what is in it "
        "without the "
        "choice",
    ),
    "fixed-batch": (
        model([node("Reshape", "x s")], (2, 4, 3), {"s": whole(2, 12)}),
        "Reshape_y (Reshape): it reshapes (1, 4, 3) to (2, 12), which has another number of "
        "elements; export it "
        "with an open batch axis",
    ),
    "two-inputs": (
        two_inputs(),
        "must have exactly one input, got x, mask; keep one, make constants of others",
    ),
    "two-outputs": (
        model([node("Relu", "x", "a"), node("Tanh", "x", "b")], ("N", 3), outputs=["a", "b"]),
        "must have exactly one output of real numbers, got a, b; keep one",
    ),
    "open-pixels": (
        relu(("N", 3, "height", None)),
        "input 'x' has no fixed size along axis 2 (height), 3 (unknown); export it with fixed sizes, "
        "or set them "
        "with onnx.tools.update_model_dims",
    ),
    "no-batch": (
        relu((5,)),
        "input 'x' must be numbers with a batch axis and at least one more of fixed size, got "
        "float with 1 "
        "axes; export it so",
    ),
    "integers": (
        model([node("Cast", "x", to=1)], ("N", 5), kind=TensorProto.UINT64),
        "input 'x' must be numbers with a batch axis and at least one more of fixed size, got "
        "uint64 with 2 "
        "axes; export it so",
    ),
    "old-operators": (
        model([node("Relu", "x")], ("N", 3), opset=6),
        "uses version 6 of the operators, 7 or later is needed; export it anew, or convert it with "
        "onnx.version_converter",
    ),
    "unknown-domain": (
        unknown_domain(),
        "FusedThing_y (FusedThing): its domain 'com.vendor' is unknown; export with standard operators",
    ),
    "depends-on-no-input": (
        model([node("Identity", "c")], ("N", 3), {"c": floats(1, 3)}),
        "y: it depends on no input; leave it out",
    ),
    "too-large": (
        relu(("N", 3, 2**20, 2**20)),
        "input 'x' is of shape (1, 3, 1048576, 1048576), at most 1048576 places along an axis and 4294967296 "
        "elements are allowed; use smaller images",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_no_machine_could_take_says_why(name: str, tmp_path: Path) -> None:
    made, said = MODELS[name]
    with pytest.raises(WorkloadError) as refused:
        imported(made, tmp_path)
    assert str(refused.value).endswith(said)
    assert str(refused.value).startswith(str(tmp_path / "model.onnx"))


def test_the_command_line_prints_one_error_with_its_problems_indented(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    made = Case(
        [
            *(
                node("Exp", "x", "a"),
                node("Sin", "x", "b"),
                node("Conv", "a w", "c"),
                node("Conv", "b w", "d"),
            ),
            node("Sum", "c d"),
        ],
        MAP,
        POINT,
    ).model()
    onnx.save(made, path)
    result = CliRunner().invoke(main, ["run", str(path), "--arch", "dataflow"])
    assert result.exit_code == 2
    first, *lines = result.stderr.splitlines()
    assert first == f"error: {path}: 2 nodes cannot be mapped:"
    assert [line.split(":")[0] for line in lines] == ["  Exp_a (Exp)", "  Sin_b (Sin)"]
    assert result.stdout == ""


def test_what_is_left_out_is_noted(tmp_path: Path) -> None:
    graph = model(
        [node("Conv", "x w", "c"), node("LogSoftmax", "c", "y", axis=1), node("ArgMax", "x", "i", axis=1)],
        (4, *MAP),
        POINT,
        outputs=["y"],
    )
    graph.graph.output.append(helper.make_tensor_value_info("i", TensorProto.INT64, [4, 1, 4, 5]))
    assert imported(graph, tmp_path).notes == (
        "LogSoftmax_y (LogSoftmax) at the end is left out: outputs are what it reads, in the same order",
        "outputs that are no real numbers are left out: i",
        "the batch of 4 is taken one image at a time",
    )


def test_a_batch_with_a_name_of_its_own_is_one_image(tmp_path: Path) -> None:
    network = imported(relu(("images", 3)), tmp_path)
    assert network.input_shape == (3, 1, 1)
    assert network.notes == ()
