"""From real numbers to the integers that hardware holds: scales, zero points, and what each node needs.

Activations are unsigned with a zero point, one scale a tensor; weights are signed and symmetric, one scale an
output channel. Products are summed in 64 bit integers and brought to the output's scale in single precision:

    y = clip(round_half_even(float32(acc) * float32(scale)) + zero, low, high)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import WorkloadError
from workloads.activation_functions import Clip, apply_clip, holds_zero
from workloads.float_reference import Folding, apply_function, float_tensors
from workloads.folding import FoldedPart, folded_affine, folded_parts
from workloads.network import Parameters
from workloads.nodes import (
    AddNode,
    AffineNode,
    AvgPoolNode,
    ConcatNode,
    LocalResponseNormNode,
    LoweredNetwork,
    MatrixNode,
    MaxPoolNode,
    MulNode,
    Node,
    SelectNode,
    SoftmaxNode,
    TableNode,
)
from workloads.quantized_nodes import (
    QuantizedAffine,
    QuantizedAvgPool,
    QuantizedJoin,
    QuantizedMatrix,
    QuantizedMaxPool,
    QuantizedNetwork,
    QuantizedNode,
    QuantizedProduct,
    QuantizedSelect,
    QuantizedSoftmax,
    QuantizedTable,
)
from workloads.scales import SMALLEST_SCALE, Quantization
from workloads.token_nodes import EmbeddingNode, MixNode, TokenNode, vocabulary
from workloads.token_quantization import quantization_of_ids, quantize_tokens
from workloads.token_values import check_ids

MIN_BITS, MAX_BITS = 2, 16

#: Elements that the largest tensor of a calibration may have; weights are folded once for as many images.
CALIBRATION_ELEMENTS = 2**26

#: Digits behind the point of a softmax's exponentials.
EXPONENT_BITS = 30

#: Largest value of a tensor; half of what single precision holds, so that no scale is infinite.
LARGEST_VALUE = float(np.finfo(np.float32).max) / 2

#: Multiply-accumulates of an image up to which a calibration is done in double precision.
DOUBLE_PRECISION_MACS = 2**28

#: Bits that a sum and its bias may take.
SUM_BITS = 62


@dataclass(frozen=True, eq=False)
class IntegerMatrix:
    """A matrix whose weights are integers already.

    weights : (groups, rows, cols of one group)
    bias, scales : (cols,) in real numbers, and what a step of each column's weights is worth
    """

    weights: NDArray[np.int32]
    bias: NDArray[np.float64]
    scales: NDArray[np.float64]


def quantize(
    lowered: LoweredNetwork,
    parameters: Parameters,
    calibration_inputs: NDArray[Any],
    weight_bits: int = 8,
    activation_bits: int = 8,
    *,
    integers: Mapping[str, IntegerMatrix] | None = None,
) -> QuantizedNetwork:
    """Return `lowered` in integers, each tensor scaled to the range it takes over the calibration inputs.

    Scales that the network brings are used as they are. Token ids are codes as they are, of as many bits as
    their vocabulary takes.

    calibration_inputs : (N, C, H, W) real numbers, at least one image
    weight_bits, activation_bits : 2 to 16
    integers : matrices that are not to be rounded, by name; they amount to `parameters`
    raises : WorkloadError for widths out of bounds, for given scales of other widths, and for inputs that do
        not fit
    """
    for what, bits in (("weight_bits", weight_bits), ("activation_bits", activation_bits)):
        if not MIN_BITS <= bits <= MAX_BITS:
            raise WorkloadError(f"{lowered.name}: {what} must be in [{MIN_BITS}, {MAX_BITS}] bit, got {bits}")
    ids = vocabulary(lowered)
    for name, given in lowered.scales.tensors.items():
        if ids is not None and name == lowered.input:
            raise WorkloadError(
                f"{lowered.name}.{name} brings a scale, but its codes are token ids as they are; leave it out"
            )
        if given.bits != activation_bits:
            raise WorkloadError(
                f"{lowered.name}.{name} brings a scale for codes of {given.bits} bit, but activations have "
                f"{activation_bits}; let the machine compute with {given.bits}"
            )
    return _Calibration(lowered, parameters, weight_bits, activation_bits, integers or {}).over(
        calibration_inputs
    )


class _Calibration:
    """Quantises a network while its ranges are observed in a float run, so that weights are folded once.

    Max pools, selections and clips that keep zero keep their input's quantisation, so they never round.
    A network too large for double precision is run in single; its ranges then grow to the next of a few round
    numbers, on which machines agree though they sum in different orders.
    """

    def __init__(
        self,
        lowered: LoweredNetwork,
        parameters: Parameters,
        weight_bits: int,
        activation_bits: int,
        integers: Mapping[str, IntegerMatrix],
    ) -> None:
        self._lowered, self._integers = lowered, integers
        self._parameters = parameters
        self._bits = (weight_bits, activation_bits)
        double = lowered.macs <= DOUBLE_PRECISION_MACS
        self._precision = np.float64 if double else np.float32
        self._low = dict.fromkeys(lowered.shapes, 0.0)
        self._high = dict.fromkeys(lowered.shapes, 0.0)
        self._tensors: dict[str, Quantization] = {}
        self._matrices: dict[str, _Matrix] = {}

    def over(self, inputs: NDArray[Any]) -> QuantizedNetwork:
        """Return the network, each tensor scaled to its least and largest value over `inputs`."""
        lowered, (weight_bits, activation_bits) = self._lowered, self._bits
        check_inputs(lowered, inputs)
        *parts, last = lowered.batches(inputs, CALIBRATION_ELEMENTS)
        for part in parts:
            for name, values in self._run(part):
                self._observe(name, values)
        nodes: dict[str, QuantizedNode] = {}
        for name, values in self._run(last, self._folded_and_quantised):
            self._observe(name, values)
            self._tensors[name] = self._quantization(name)
            if name != lowered.input:
                nodes[name] = _quantized(
                    lowered[name], self._parameters, self._tensors, self._matrices.pop(name, None)
                )
        return QuantizedNetwork(lowered, weight_bits, activation_bits, self._tensors, nodes)

    def _run(self, inputs: NDArray[Any], folded: Folding | None = None) -> Iterator[tuple[str, NDArray[Any]]]:
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # what is too large is refused where it is observed
            yield from float_tensors(self._lowered, self._parameters, inputs, self._precision, folded)

    def _observe(self, name: str, values: NDArray[Any]) -> None:
        low, high = float(values.min()), float(values.max())
        if not max(-low, high) <= LARGEST_VALUE:  # nan is refused, too
            raise WorkloadError(
                f"{self._lowered.name}.{name} takes values from {low:g} to {high:g} on the calibration "
                f"inputs, at most {LARGEST_VALUE:g} are allowed; scale weights or inputs down"
            )
        self._low[name] = min(self._low[name], low)
        self._high[name] = max(self._high[name], high)

    def _quantization(self, name: str) -> Quantization:
        """Return how a tensor, all of whose values are observed, is quantised."""
        node = None if name == self._lowered.input else self._lowered[name]
        given = self._lowered.scales.tensors.get(name)
        if isinstance(node, MaxPoolNode | SelectNode):
            return self._kept(node, given)
        if node is None and (ids := vocabulary(self._lowered)) is not None:
            return quantization_of_ids(ids)
        if given is not None:
            return given
        if isinstance(node, TableNode) and node.function == "identity" and holds_zero(node.clip):
            return self._tensors[node.inputs[0]]
        if isinstance(node, EmbeddingNode):  # all of its table, whichever rows are calibrated with
            table = apply_clip(self._parameters[node.name]["weight"], node.clip)
            return Quantization.of_range(float(table.min()), float(table.max()), self._bits[1])
        if isinstance(node, SoftmaxNode) and not self._weights_values(name):
            least, most = apply_clip(np.array([0.0, 1.0]), node.clip).tolist()
            return Quantization.of_range(least, most, self._bits[1])
        low, high = self._low[name], self._high[name]
        if self._precision is np.float32:
            low, high = _rounded_out(low), _rounded_out(high)
        return Quantization.of_range(low, high, self._bits[1])

    def _weights_values(self, name: str) -> bool:
        """Whether shares weight values: among many keys they are small, and steps for up to 1 coarse."""
        return any(isinstance(self._lowered[reader], MixNode) for reader in self._lowered.consumers[name])

    def _kept(self, node: Node, given: Quantization | None) -> Quantization:
        """Return the quantisation of a node's input, whose codes it moves as they are."""
        kept = self._tensors[node.inputs[0]]
        if given not in (None, kept):
            raise WorkloadError(
                f"{self._lowered.name}.{node.name} brings {given}, but it moves codes as they are, and its "
                f"input has {kept}; give both the same"
            )
        return kept

    def _folded_and_quantised(self, node: MatrixNode) -> Iterator[FoldedPart]:
        """Yield a node's folded weights, and make integers of them on the way."""
        input_scale = self._tensors[node.inputs[0]].scale
        if (known := self._integers.get(node.name)) is not None:
            self._matrices[node.name] = self._as_it_is(node, known, input_scale)
            yield from folded_parts(node, self._parameters, self._precision)
            return
        given = self._lowered.scales.weights.get(node.name)
        self._matrices[node.name] = matrix = _Matrix.empty(node, given=given is not None)
        for part in folded_parts(node, self._parameters, self._precision):
            yield part
            scales = None if given is None else given[part.out].astype(np.float64)
            try:
                integers = quantize_matrix(part.weights, part.bias, input_scale, self._bits[0], scales)
            except WorkloadError as error:
                raise WorkloadError(f"{self._lowered.name}.{node.name}: {error}") from None
            matrix.weights[..., part.cols], matrix.bias[part.out], matrix.scales[part.out] = integers

    def _as_it_is(self, node: MatrixNode, known: IntegerMatrix, input_scale: float) -> _Matrix:
        """Return integers that are not to be rounded, with their biases in steps."""
        with np.errstate(over="ignore"):  # refused below
            bias = known.bias / (input_scale * known.scales)
        largest = np.abs(known.weights).sum(axis=1, dtype=np.float64).ravel() * 2.0 ** self._bits[1]
        if not (largest + np.abs(bias) < 2.0**SUM_BITS).all():
            raise WorkloadError(
                f"{self._lowered.name}.{node.name}: sums of kernel {np.argmax(largest + np.abs(bias))} take "
                f"more than {SUM_BITS} bit in steps of its scale; give it a larger scale"
            )
        return _Matrix(known.weights, np.rint(bias).astype(np.int64), known.scales, given=False)


def _rounded_out(end: float) -> float:
    """Return `end` rounded away from zero to 8 significant bits."""
    fraction, exponent = math.frexp(abs(end))
    return math.copysign(math.ldexp(math.ceil(math.ldexp(fraction, 8)), exponent - 8), end)


def check_inputs(lowered: LoweredNetwork, inputs: NDArray[Any]) -> None:
    """Raise WorkloadError unless `inputs` are images (N, C, H, W) that the network takes, at least one.

    Token ids must be of its vocabulary.
    """
    if inputs.ndim != 4 or inputs.shape[1:] != lowered.input_shape or not len(inputs):
        raise WorkloadError(
            f"{lowered.name} takes inputs of shape (images, {', '.join(map(str, lowered.input_shape))}), "
            f"at least one image, got {inputs.shape}; reshape them"
        )
    if not np.isfinite(inputs).all():
        raise WorkloadError(f"{lowered.name} takes finite inputs, got nan or infinity; clean them first")
    if (entries := vocabulary(lowered)) is not None:
        check_ids(lowered.name, inputs, entries)


@dataclass(frozen=True, eq=False)
class _Matrix:
    """What `quantize_matrix` returns for all columns of a node, and whether their scales were given."""

    weights: NDArray[np.signedinteger[Any]]
    bias: NDArray[np.int64]
    scales: NDArray[np.float64]
    given: bool

    @classmethod
    def empty(cls, node: MatrixNode, *, given: bool) -> _Matrix:
        """Return room for the integers of `node`."""
        return cls(
            np.empty((node.groups, node.rows, node.cols_per_group), dtype=np.int16),
            np.empty(node.cols, dtype=np.int64),
            np.empty(node.cols),
            given,
        )


def _quantized(
    node: Node, parameters: Parameters, tensors: Mapping[str, Quantization], matrix: _Matrix | None
) -> QuantizedNode:
    """Return the integers of a node, those of a matrix node from its `matrix`."""
    sources = [tensors[source] for source in node.inputs]
    source, target = sources[0], tensors[node.name]
    low, high = _clip_codes(node.clip, target)
    match node:
        case MatrixNode():
            assert matrix is not None
            return QuantizedMatrix(
                low=low,
                high=high,
                weights=matrix.weights,
                bias=matrix.bias,
                multiplier=_multiplier(source, matrix, target),
                input_zero=source.zero,
                output_zero=target.zero,
            )
        case MaxPoolNode():
            return QuantizedMaxPool(low=low, high=high)
        case SelectNode():
            return QuantizedSelect(low=low, high=high, zero=source.zero)
        case AvgPoolNode():
            multiplier = (source.scale / (target.scale * node.counts)).astype(np.float32)
            return QuantizedAvgPool(
                low=low, high=high, multiplier=multiplier, input_zero=source.zero, output_zero=target.zero
            )
        case AddNode() | ConcatNode():
            signs = node.signs if isinstance(node, AddNode) and node.signs else (1,) * len(sources)
            ratios = [sign * each.scale / target.scale for sign, each in zip(signs, sources, strict=True)]
            return QuantizedJoin(
                low=low,
                high=high,
                multipliers=np.array(ratios, dtype=np.float32),
                input_zeros=np.array([each.zero for each in sources], dtype=np.int64),
                output_zero=target.zero,
            )
        case MulNode():
            other = sources[1]
            return QuantizedProduct(
                low=low,
                high=high,
                multiplier=np.float32(source.scale * other.scale / target.scale),
                input_zeros=(source.zero, other.zero),
                output_zero=target.zero,
            )
        case AffineNode():
            factor, offset = folded_affine(node, parameters)
            return QuantizedAffine(
                low=low,
                high=high,
                multiplier=(factor * source.scale / target.scale).astype(np.float32),
                offset=(offset / target.scale).astype(np.float32),
                input_zero=source.zero,
                output_zero=target.zero,
            )
        case TableNode():
            codes = np.arange(source.max_code + 1)
            values = apply_function(node, np.asarray((codes - source.zero) * source.scale, dtype=np.float64))
            return QuantizedTable(low=low, high=high, table=target.quantize(apply_clip(values, node.clip)))
        case SoftmaxNode():
            # rounded, so that libraries whose exponentials differ in a last digit agree
            shares = np.rint(np.exp(-np.arange(source.max_code + 1) * source.scale) * 2**EXPONENT_BITS)
            return QuantizedSoftmax(
                low=low,
                high=high,
                table=shares.astype(np.int64),
                steps=1.0 / target.scale,
                output_zero=target.zero,
            )
        case TokenNode():
            return quantize_tokens(node, parameters, sources, target, (low, high))
        case LocalResponseNormNode():
            raise WorkloadError(
                f"{node.name}: a local response norm has no integer form here; leave it out, as later "
                "networks do"
            )
    raise TypeError(f"{node.name}: no quantisation for {type(node).__name__}")


def _multiplier(source: Quantization, matrix: _Matrix, target: Quantization) -> NDArray[np.float32]:
    """Return what brings a sum to the output's steps, (cols,)."""
    if matrix.given:  # as ONNX Runtime multiplies
        return np.float32(source.scale) * matrix.scales.astype(np.float32) / np.float32(target.scale)
    return (source.scale * matrix.scales / target.scale).astype(np.float32)


def quantize_matrix(
    weights: NDArray[np.floating[Any]],
    bias: NDArray[np.float64],
    input_scale: float,
    bits: int,
    given: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.int16], NDArray[np.int64], NDArray[np.float64]]:
    """Return integer weights, integer bias and the scale of each output channel.

    weights : (groups, rows, cols of one group), quantised to -(2**(bits-1) - 1) .. 2**(bits-1) - 1,
        and by given scales to one less as well
    bias : (cols,), in steps of input_scale * scale
    given : scale of each output channel, where it is not the weights' largest that sets it
    raises : WorkloadError for codes by given scales that do not fit
    """
    largest_code = 2 ** (bits - 1) - 1
    groups, _, cols = weights.shape
    if given is not None:
        scales = given
    else:
        largest = np.maximum(weights.max(axis=1), -weights.min(axis=1)).reshape(groups * cols)
        # a channel of tiny weights must not blow up its bias: that keeps below 2**30 steps
        scales = np.maximum(largest.astype(np.float64) / largest_code, np.abs(bias) / (input_scale * 2**30))
        scales[scales < SMALLEST_SCALE] = 1.0
    codes = weights / scales.reshape(groups, 1, cols).astype(weights.dtype)
    np.rint(codes, out=codes)
    if given is not None:
        _check_width(int(codes.min()), int(codes.max()), bits)
    return codes.astype(np.int16), np.rint(bias / (input_scale * scales)).astype(np.int64), scales


def _check_width(low: int, high: int, bits: int) -> None:
    """Refuse weights from `low` to `high` that so many bits cannot hold."""
    needed = 1 + max(high, -1 - low, 0).bit_length()
    if needed > bits:
        advice = f"let the machine hold {needed}" if needed <= MAX_BITS else "give larger scales"
        raise WorkloadError(
            f"by the given scales its weights are {low} to {high}, which takes {needed} bit, but weights "
            f"have {bits}; {advice}"
        )


def _clip_codes(clip: Clip, target: Quantization) -> tuple[int, int]:
    """Return the codes nearest to the bounds of `clip`."""
    low, high = (
        end if bound is None else int(target.quantize(np.array(bound)))
        for bound, end in zip(clip, (0, target.max_code), strict=True)
    )
    return low, high
