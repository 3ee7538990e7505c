"""Built-in transformers: totals in closed form, published parameters, and reals that integers follow."""

from __future__ import annotations

import numpy as np
import pytest

import imcsim
from arch.machine import machines
from simcore.errors import SimError
from tests.token_networks import token_inputs
from workloads import (
    Network,
    QuantizedMatrix,
    SoftmaxNode,
    float_outputs,
    float_tensors,
    golden_outputs,
    lower,
    networks,
    quantize,
)
from workloads.photograph import photo_crops
from workloads.zoo.transformers import decoder


def small_decoder(tokens: int = 32) -> Network:
    return decoder("decoder", tokens=tokens, blocks=2, features=64, heads=4, vocabulary=100)


def block_parameters(c: int) -> int:
    """Weights and biases of four c x c matrices and of two of c x 4c, and two layer norms."""
    return 4 * (c * c + c) + (c * 4 * c + 4 * c) + (4 * c * c + c) + 2 * 2 * c


def block_macs(t: int, c: int) -> int:
    """12 c MACs for each of t tokens' c features, and 2 t t c in the two products of attention."""
    return t * 12 * c * c + 2 * t * t * c


def test_vit_tiny_has_its_published_parameters_and_the_macs_of_its_formula() -> None:
    network = networks["vit-tiny"]()
    tokens, c = 197, 192
    patches, head = 16 * 16 * 3 * c + c, 1000 * c + 1000
    parameters = patches + c + tokens * c + 12 * block_parameters(c) + 2 * c + head
    assert network.parameter_count == parameters == 5_717_416  # as timm and DeiT publish it
    macs = 196 * 16 * 16 * 3 * c + 12 * block_macs(tokens, c) + 1000 * c
    assert network.macs == lower(network).macs == macs == 1_253_683_200


def test_bert_tiny_has_its_published_parameters_and_the_macs_of_its_formula() -> None:
    network = networks["bert-tiny"]()
    tokens, c = 128, 128
    parameters = (30522 + 512 + 2) * c + 2 * c + 2 * block_parameters(c) + c * c + c
    assert network.parameter_count == parameters == 4_385_920  # as google/bert_uncased_L-2_H-128_A-2 has it
    macs = 2 * block_macs(tokens, c) + c * c
    assert network.macs == lower(network).macs == macs == 58_736_640


def test_a_decoder_has_the_macs_of_its_formula() -> None:
    network, t, c = small_decoder(), 32, 64
    assert network.macs == lower(network).macs == 2 * block_macs(t, c) + t * c * 100
    assert network.parameter_count == (100 + t) * c + 2 * block_parameters(c) + 2 * c + 100 * c


@pytest.mark.parametrize("bits", [8, 16])
def test_no_token_of_a_decoder_depends_on_later_ones(bits: int) -> None:
    network = small_decoder()
    lowered, parameters = lower(network), network.load_parameters()
    ids = token_inputs(network, 1, np.random.default_rng(0))
    others = np.concatenate([ids[:, :, :20], 99 - ids[:, :, 20:]], axis=2)
    quantized = quantize(lowered, parameters, ids, 8, bits)
    for outputs in (
        [float_outputs(lowered, parameters, each) for each in (ids, others)],
        [golden_outputs(quantized, each) for each in (ids, others)],
    ):
        np.testing.assert_allclose(outputs[0][:, :, :20], outputs[1][:, :, :20], rtol=1e-9, atol=1e-9)
        assert (outputs[0][:, :, 20] != outputs[1][:, :, 20]).any()


@pytest.mark.parametrize("name", ["bert-tiny", "decoder", pytest.param("vit-tiny", marks=pytest.mark.slow)])
def test_reals_keep_a_sensible_range_and_integers_follow_them(name: str) -> None:
    network = small_decoder() if name == "decoder" else networks[name]()
    lowered, parameters = lower(network), network.load_parameters()
    inputs = (
        photo_crops(network.input_shape, 2).inputs
        if name == "vit-tiny"
        else token_inputs(network, 2, np.random.default_rng(1))
    )
    for tensor, values in float_tensors(lowered, parameters, inputs, np.float32):
        size = float(np.sqrt(np.mean(values**2)))
        node = None if tensor == lowered.input else lowered[tensor]
        if isinstance(node, SoftmaxNode):
            keys = node.shape[0] // node.groups
            largest = values.reshape(2, node.groups, keys, -1).max(axis=2).mean()
            assert 2.0 / keys < largest < 0.5, f"{tensor}: {largest}"  # neither even nor all on one key
        elif node is not None:
            assert 0.2 < size < 10.0, f"{tensor}: {size}"
        assert float(np.abs(values[0] - values[1]).mean()) > 0.02 * size, tensor
        exact = values
    assert tensor == lowered.output
    quantized = quantize(lowered, parameters, inputs)
    found = quantized.output_quantization.dequantize(golden_outputs(quantized, inputs))
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.99
    for integers in quantized.nodes.values():
        if isinstance(integers, QuantizedMatrix):
            assert abs(integers.weights).max() == 127


@pytest.mark.parametrize(
    "machine", [name for name in machines.names() if not name.startswith(("dataflow", "isaac"))]
)
@pytest.mark.parametrize("workload", ["vit-tiny", "bert-tiny"])
def test_other_machines_refuse_transformers_before_they_start(machine: str, workload: str) -> None:
    kinds = r"has layers of transformers .* no part of this machine computes products of two|is of the kind"
    with pytest.raises(SimError, match=rf"{workload}.*({kinds})"):
        imcsim.map_workload(workload, arch=machine)
    with pytest.raises(SimError, match=rf"{workload}.*({kinds})"):
        imcsim.run(workload, arch=machine)
