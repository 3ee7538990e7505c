"""Train the digits networks and write their weights and all images: `python -m workloads.zoo.train_digits`.

Needs the `train` extra (PyTorch and scikit-learn). One thread and fixed seeds: on one machine two runs write
the same bytes. Of the 1797 images that scikit-learn distributes, the first 360 of a seeded permutation are
kept for testing; training sees only the others, turned, scaled and shifted a little, and takes the last
epoch's weights, so the test images choose nothing.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.data import ASSETS, accuracy, digit_inputs
from workloads.float_reference import float_outputs
from workloads.lowering import lower
from workloads.network import Network
from workloads.npz import write_npz
from workloads.zoo import networks
from workloads.zoo.catalogue import write_parameters
from workloads.zoo.torch_network import torch_forward, torch_modules

NAMES = ("digits-mlp", "digits-cnn", "digits-resnet")
SEED = 0
TEST_IMAGES = 360
EPOCHS = 80
BATCH = 64
LEARNING_RATE = 5e-3
WEIGHT_DECAY = 1e-2

log = logging.getLogger(__name__)


def split(images: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the training and of the test images."""
    order = np.random.default_rng(SEED).permutation(images)
    return order[TEST_IMAGES:], order[:TEST_IMAGES]


def main(folder: Path = ASSETS) -> None:
    """Train every network and write weights and images to `folder`."""
    import torch
    from sklearn.datasets import load_digits

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    data = load_digits()
    train, test = split(len(data.images))
    for name, part in (("train", train), ("test", test)):
        write_npz(
            folder / f"digits-{name}.npz",
            {
                "images": data.images[part].astype(np.uint8),
                "labels": data.target[part].astype(np.uint8),
                "index": part.astype(np.int16),  # place of each image in scikit-learn's array
            },
        )
    inputs = digit_inputs(data.images)
    for name in NAMES:
        network = networks[name]()
        modules = fit(network, inputs[train], data.target[train])
        parameters = {
            layer: {
                parameter: getattr(modules[layer], parameter).detach().numpy().astype(np.float32)
                for parameter in shapes
            }
            for layer, shapes in network.parameter_shapes.items()
        }
        write_parameters(folder / f"{name}.npz", parameters)
        share = accuracy(float_outputs(lower(network), parameters, inputs[test]), data.target[test])
        log.info("%s: %.4f of the test images are right", name, share)


def fit(network: Network, inputs: NDArray[np.float32], labels: NDArray[np.int64]) -> Any:
    """Return the trained PyTorch modules of `network` by layer name.

    inputs : (N, 1, 8, 8) float32
    labels : (N,) int64
    """
    import torch

    torch.manual_seed(SEED)
    modules = torch_modules(network)
    images, targets = torch.from_numpy(inputs), torch.from_numpy(labels)
    steps = EPOCHS * -(-len(images) // BATCH)
    optimizer = torch.optim.AdamW(modules.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LEARNING_RATE, total_steps=steps)
    modules.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH):
            scores = torch_forward(network, modules, augment(images[batch]))
            loss = torch.nn.functional.cross_entropy(scores, targets[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return modules.eval()


def augment(images: Any) -> Any:
    """Return the images turned by up to 10 degrees, scaled by up to 10 % and shifted by up to one pixel."""
    import torch

    count, _, height, _ = images.shape

    def uniform(limit: float) -> Any:
        return (torch.rand(count) * 2.0 - 1.0) * limit

    angle, scale, shift = uniform(np.pi / 18.0), 1.0 + uniform(0.1), 2.0 / height
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    rows = [torch.stack([cos, -sin, uniform(shift)], 1), torch.stack([sin, cos, uniform(shift)], 1)]
    grid = torch.nn.functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, grid, align_corners=False)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
