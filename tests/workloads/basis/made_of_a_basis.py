"""Networks whose kernels are made of a known basis, and a matrix computed by way of one in plain loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads import Conv2d, Input, Linear, Network, QuantizedMatrix, Window
from workloads.basis import BasisNetwork, slices_per_group
from workloads.nodes import MatrixNode


def sparse_network(length: int, vectors: int, nonzeros: int, seed: int = 0) -> Network:
    """Return a network of two layers whose kernel slices are sums of few vectors of integers."""
    rng = np.random.default_rng(seed)
    basis = rng.integers(-3, 4, (vectors, length))
    layers = [
        Input(name="image", shape=(4, 6, 6)),
        Conv2d(name="conv", out_channels=6, window=Window.square(3)),
        Linear(name="fc", out_features=5),
    ]
    structure = Network("made", layers)
    parameters = {}
    for name, shapes in structure.parameter_shapes.items():
        kernels, *rest = shapes["weight"]
        positions = int(np.prod(rest[1:])) if len(rest) > 1 else 16
        rows = int(np.prod(rest))
        slices = -(-rows // length)
        picked = rng.random((slices, kernels, vectors)).argsort(axis=2) < nonzeros
        coefficients = picked * rng.choice([-2, -1, 1, 2], picked.shape)
        whole = np.einsum("skv,vl->ksl", coefficients, basis).reshape(kernels, -1)[:, :rows]
        by_channel = whole.reshape(kernels, positions, -1).transpose(0, 2, 1)
        scales = rng.uniform(0.01, 3.0, kernels)
        weight = by_channel.reshape(shapes["weight"]) * scales.reshape(-1, *[1] * len(rest))
        parameters[name] = {"weight": weight, "bias": rng.normal(size=kernels)}
    return Network("made", layers, lambda: parameters)


def through_the_basis(network: BasisNetwork, node: MatrixNode, codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return a matrix's output codes (N, C, H, W): p = V x, then sums of a * p, slice by slice."""
    integers, basis = network.nodes[node.name], network.basis.vectors.astype(np.int64)
    assert isinstance(integers, QuantizedMatrix)
    coefficients = network.coefficients[node.name].values.astype(np.int64)
    length, slices = network.basis.length, slices_per_group(node, network.basis.length)
    channels = node.in_shapes[0][0] // node.groups
    (down, across), (below, beside) = node.window.stride, node.window.dilation
    top, left, bottom, right = node.window.padding
    maps = np.pad(
        codes.astype(np.int64) - integers.input_zero, ((0, 0), (0, 0), (top, bottom), (left, right))
    )
    high, wide = node.window.kernel
    sums = np.zeros((len(codes), *node.shape), np.int64)
    for group in range(node.groups):
        own = maps[:, group * channels : (group + 1) * channels]
        kernels = slice(group * node.cols_per_group, (group + 1) * node.cols_per_group)
        for image, y, x in np.ndindex(len(codes), *node.shape[1:]):
            rows = [
                own[image, :, y * down + ky * below, x * across + kx * beside]
                for ky in range(high)
                for kx in range(wide)
            ]
            inputs = np.zeros(slices * length, np.int64)
            inputs[: node.rows] = np.concatenate(rows)
            for place in range(slices):
                products = basis @ inputs[place * length : (place + 1) * length]
                sums[image, kernels, y, x] += coefficients[group * slices + place] @ products
    sums += integers.bias[:, None, None]
    scaled = sums.astype(np.float32) * integers.multiplier[:, None, None]
    steps = np.rint(scaled) + np.float32(integers.output_zero)
    outputs: NDArray[np.int32] = np.clip(steps, integers.low, integers.high).astype(np.int32)
    return outputs
