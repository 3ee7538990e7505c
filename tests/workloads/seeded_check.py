"""What holds for any network with seeded weights; light enough to be measured in a process of its own."""

from __future__ import annotations

import numpy as np

from workloads import QuantizedMatrix, float_tensors, golden_outputs, lower, networks, quantize
from workloads.photograph import photo_crops


def check(name: str, calibration_images: int = 2) -> None:
    """Check that reals neither vanish nor explode and follow the picture, and that integers follow them."""
    network = networks[name]()
    lowered, parameters = lower(network), network.load_parameters()
    images = photo_crops(network.input_shape, calibration_images).inputs
    for tensor, values in float_tensors(lowered, parameters, images[:2], np.float32):
        size = float(np.sqrt(np.mean(values**2)))
        assert 0.2 < size < 10.0, f"{tensor}: {size}"
        assert float(np.abs(values[0] - values[1]).mean()) > 0.02 * size, tensor
        exact = values
    assert tensor == lowered.output
    quantised = quantize(lowered, parameters, images)
    found = quantised.output_quantization.dequantize(golden_outputs(quantised, images[:2]))
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.95
    for node in quantised.nodes.values():
        if isinstance(node, QuantizedMatrix):
            assert abs(node.weights).max() == 127
