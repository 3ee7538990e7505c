"""Weights that nobody trained: drawn for each layer alone, alike on every machine, made when they are read.

A layer's weights come from its own stream, keyed by the names of network and layer, so neither `--seed` nor
any other layer changes them. They follow a sum of four uniform bytes, which is close to a normal distribution
and needs whole numbers only. Their scale is that of He et al. (ICCV 2015), with the spread of what the layer
reads in place of that of a ReLU: every matrix gives values of about unit variance. That spread is estimated
from layer to layer as if all values were independent and normal; batch norms take it as their statistics.
Filters behind a ReLU lose a part of their mean, so that they answer to the picture and not only to the ReLU's
mean. With all of it left, deep networks give almost the same for every image; with none, they make as much of
a rounding as of a picture.
Embeddings are drawn with unit variance. What attention mixes is taken to be as large as its values, though of
independent ones it is less: scaled up, it would drown the tokens' own features, and make all of them alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workloads.layers import (
    Activation,
    Add,
    AddEmbedding,
    AttentionMix,
    AttentionScores,
    BatchNorm,
    ClassToken,
    Concat,
    Conv2d,
    Embedding,
    Layer,
    LayerNorm,
    Linear,
)
from workloads.network import Network, Parameters

#: Mean and standard deviation of the sum of four bytes.
SUM_MEAN, SUM_DEVIATION = 510.0, math.sqrt(4 * (256**2 - 1) / 12)

#: Learned vectors spread by this much about what they are expected to be.
SPREAD = 0.1

#: Part of its mean that a filter behind a ReLU loses.
CENTRING = 0.5

#: Weights drawn at once, few enough for the processor's caches; even, as one draw gives two.
DRAWN_AT_ONCE = 2**18


class Moments(NamedTuple):
    """Expected mean and variance of a tensor's values."""

    mean: float
    variance: float


class SeededNetwork(Network):
    """A network whose weights are drawn; one that only its structure is asked of never makes any."""

    @property
    def has_parameters(self) -> bool:
        """Always."""
        return True

    def load_parameters(self) -> Parameters:
        """Return the weights; a layer's are made whenever they are read, and kept by nobody."""
        return SeededWeights(self)


class SeededWeights(Mapping[str, Mapping[str, NDArray[Any]]]):
    """Parameters of every layer of a network by name, made at each access."""

    def __init__(self, network: Network) -> None:
        """Estimate the moments of all tensors."""
        self._network = network
        self._moments: dict[str, Moments] = {}
        for name, layer in network.layers.items():
            read = [self._moments[source] for source in layer.inputs]
            self._moments[name] = _moments(layer, read, [shape[0] for shape in network.in_shapes(name)])

    def __getitem__(self, layer: str) -> Mapping[str, NDArray[Any]]:
        """Return the parameters of `layer`, float32."""
        shapes = self._network.parameter_shapes[layer]
        definition = self._network.layers[layer]
        read = self._moments[definition.inputs[0]]
        random = WeightStream(f"{self._network.name}/{layer}")
        if isinstance(definition, Embedding | AddEmbedding | ClassToken):
            return {"weight": random.normal(shapes["weight"], 0.0, 1.0)}
        if isinstance(definition, BatchNorm | LayerNorm):
            return {
                name: random.normal(shape, *_expected(name, read)) for name, shape in sorted(shapes.items())
            }
        weight = random.normal(shapes["weight"], 0.0, 1.0)
        rows = weight[0].size
        by_filter = weight.reshape(len(weight), rows)
        mean = read.mean
        if _is_centred(definition, read):
            means = by_filter.mean(axis=1, keepdims=True, dtype=np.float64)
            by_filter -= (CENTRING * means).astype(np.float32)
            mean *= 1.0 - CENTRING
        weight *= np.float32(1.0 / math.sqrt(rows * (read.variance + mean**2)))
        return {"weight": weight} | (
            {"bias": random.normal(shapes["bias"], 0.0, SPREAD)} if "bias" in shapes else {}
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._network.parameter_shapes)

    def __len__(self) -> int:
        return len(self._network.parameter_shapes)


def _is_centred(layer: Layer, read: Moments) -> bool:
    """Whether a filter loses a part of its mean; a depthwise one would keep little but edges."""
    return read.mean > 0.0 and not (isinstance(layer, Conv2d) and layer.groups > 1)


def _expected(parameter: str, read: Moments) -> tuple[float, float]:
    """Return mean and deviation of a norm's parameter, given the moments of what the norm reads."""
    deviation = math.sqrt(read.variance)
    return {
        "weight": (1.0, SPREAD),
        "bias": (0.0, SPREAD),
        "running_mean": (read.mean, SPREAD * deviation),
        "running_var": (read.variance, SPREAD * read.variance),
    }[parameter]


def _moments(layer: Layer, read: list[Moments], channels: list[int]) -> Moments:
    """Return the moments of what `layer` gives; pools and shortcuts are taken to keep theirs."""
    match layer:
        case Conv2d() | Linear() | BatchNorm() | LayerNorm() | Embedding():
            return Moments(0.0, 1.0)
        case AddEmbedding():
            return Moments(read[0].mean, read[0].variance + 1.0)
        case AttentionScores():
            powers = math.prod(each.variance + each.mean**2 for each in read)
            return Moments(0.0, channels[0] // layer.heads * layer.factor**2 * powers)
        case AttentionMix():
            return read[1]
        case Add():
            return Moments(sum(each.mean for each in read), sum(each.variance for each in read))
        case Concat():
            weights = [count / sum(channels) for count in channels]
            mean = sum(weight * each.mean for weight, each in zip(weights, read, strict=True))
            power = sum(w * (each.variance + each.mean**2) for w, each in zip(weights, read, strict=True))
            return Moments(mean, power - mean**2)
        case Activation():
            return _rectified(read[0])
    return read[0] if read else Moments(0.0, 1.0)


def _rectified(x: Moments) -> Moments:
    """Return the moments of max(x, 0) for a normal x.

    Rounded to 1/1024, so that mathematical libraries that differ in a last digit give the same weights.
    """
    deviation = math.sqrt(x.variance)
    ratio = x.mean / deviation
    above = 0.5 * (1.0 + math.erf(ratio / math.sqrt(2.0)))
    density = math.exp(-0.5 * ratio**2) / math.sqrt(2.0 * math.pi)
    mean = x.mean * above + deviation * density
    power = (x.mean**2 + x.variance) * above + x.mean * deviation * density
    return Moments(round(mean * 1024) / 1024, round((power - mean**2) * 1024) / 1024)


class WeightStream:
    """Random numbers of one name."""

    def __init__(self, name: str) -> None:
        seed = int.from_bytes(sha256(name.encode()).digest()[:16], "big")
        self._generator = np.random.Generator(np.random.PCG64(seed))

    def normal(self, shape: tuple[int, ...], mean: float, deviation: float) -> NDArray[np.float32]:
        """Return nearly normal float32 numbers, within 3.46 deviations of their mean."""
        sums = np.empty(math.prod(shape), dtype=np.float32)
        for start in range(0, sums.size, DRAWN_AT_ONCE):
            part = sums[start : start + DRAWN_AT_ONCE]
            part[:] = self._sums_of_four_bytes(part.size)
            part -= np.float32(SUM_MEAN)
            part *= np.float32(deviation / SUM_DEVIATION)
            part += np.float32(mean)
        return sums.reshape(shape)

    def _sums_of_four_bytes(self, count: int) -> NDArray[np.uint32]:
        draws = self._generator.integers(0, 2**64 - 1, -(-count // 2), dtype=np.uint64, endpoint=True)
        words = draws.astype("<u8").view("<u4")[:count]
        low = np.uint32(0x00FF00FF)  # the lower byte of each half word
        pairs = (words & low) + ((words >> np.uint32(8)) & low)
        total: NDArray[np.uint32] = (pairs & np.uint32(0xFFFF)) + (pairs >> np.uint32(16))
        return total
