"""aihwkit as somebody else's answer: the only module that imports it, and only when it is asked for.

Its versions are those of `INSTALL` in `benchmarks.peer_values`. Weights are shares of g_max and inputs of the
largest one; conductances come back as shares of g_max.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aihwkit
import numpy as np
import torch
from aihwkit.inference import PCMLikeNoiseModel, ReRamWan2022NoiseModel
from aihwkit.simulator.configs import InferenceRPUConfig
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType, WeightNoiseType
from aihwkit.simulator.tiles.inference import InferenceTile
from numpy.typing import NDArray

if TYPE_CHECKING:
    from benchmarks.cell_effects import Effects

Array = NDArray[Any]

G_MAX_US = {"pcm": 25.0, "rram": 40.0}
#: Time after programming from which its models count theirs.
COUNTED_FROM_S = {"pcm": 20.0, "rram": 0.0}


class AIHWKit:
    """aihwkit's inference tile and its noise models of PCM and RRAM."""

    name = f"aihwkit {aihwkit.__version__} on PyTorch {torch.__version__.partition('+')[0]}"

    #: Noise at every read is drawn from a list of that many normal numbers, which a tile draws once.
    noise_list = 2**15

    def __init__(self) -> None:
        torch.manual_seed(1)

    def products(self, weights: Array, inputs: Array) -> Array:
        """Return exact products (n, columns) of inputs (n, rows) and weights (rows, columns)."""
        config = InferenceRPUConfig()
        config.forward.is_perfect = True
        return _forward(_tile(weights, config), inputs)

    def converted(
        self, weights: Array, inputs: Array, *, input_steps: int, bound: float = 0.0, steps: int = 0
    ) -> Array:
        """Return products of converted inputs, converted if `steps` is set.

        input_steps : of the inputs' converter from 0 to 1
        bound, steps : largest sum of the outputs' converter, and steps from 0 to it
        """
        config = _plain_config()
        config.forward.inp_res = 1 / (2 * input_steps)
        if steps:
            config.forward.out_bound, config.forward.out_res = bound, 1 / (2 * steps)
        return _forward(_tile(weights, config), inputs)

    def read(self, weights: Array, inputs: Array, *, cell: float, converter: float) -> Array:
        """Return noisy products, not rounded.

        cell : noise of one cell at every read [g_max]
        converter : noise of a sum at every read [g_max times the largest input]
        """
        config = _plain_config()
        config.forward.out_noise = converter
        config.forward.w_noise = cell
        config.forward.w_noise_type = WeightNoiseType.ADDITIVE_CONSTANT
        return _forward(_tile(weights, config), inputs)

    def conductances(self, kind: str, target: float, time_s: float, effects: Effects, count: int) -> Array:
        """Return the conductances of `count` cells programmed to `target`, `time_s` after programming."""
        model = _noise_model(kind, effects)
        aimed = torch.full((count,), target * G_MAX_US[kind])
        cells = model.apply_programming_noise_to_conductance(aimed)
        exponents = model.generate_drift_coefficients(aimed)
        cells = model.apply_drift_noise_to_conductance(cells, exponents, time_s - COUNTED_FROM_S[kind])
        return np.asarray(cells.double().numpy() / G_MAX_US[kind])

    def aged(
        self, kind: str, weights: Array, inputs: Array, time_s: float, effects: Effects, *, by_tile: bool
    ) -> Array:
        """Return products of differential pairs `time_s` after programming; converters are perfect.

        by_tile : whether the tile programs its weights and then lets them drift, or the noise model does both
        """
        config = InferenceRPUConfig()
        config.forward.is_perfect = True
        config.noise_model, config.drift_compensation = _noise_model(kind, effects), None
        tile = _tile(weights, config)
        time_s -= COUNTED_FROM_S[kind]
        if by_tile:
            tile.drift_weights(time_s)
        else:
            tile.set_weights(config.noise_model.apply_noise(tile.get_weights()[0], time_s))
        return _forward(tile, inputs)


def _noise_model(kind: str, effects: Effects) -> Any:
    if kind == "rram":
        return ReRamWan2022NoiseModel(g_max=G_MAX_US[kind], noise_scale=effects.programming)
    return PCMLikeNoiseModel(
        g_max=G_MAX_US[kind],
        prog_noise_scale=effects.programming,
        drift_scale=effects.drift,
        read_noise_scale=effects.flicker,
    )


def _plain_config() -> Any:
    """Return converters without bounds, steps, scaling or noise, until set."""
    config = InferenceRPUConfig()
    io = config.forward
    io.inp_bound, io.inp_res = 1.0, -1.0
    io.out_bound, io.out_res, io.out_noise = -1.0, -1.0, 0.0
    io.bound_management, io.noise_management = BoundManagementType.NONE, NoiseManagementType.NONE
    return config


def _tile(weights: Array, config: Any) -> Any:
    rows, columns = weights.shape
    tile = InferenceTile(columns, rows, config)
    tile.set_weights(torch.tensor(weights.T, dtype=torch.float32))
    tile.eval()
    return tile


def _forward(tile: Any, inputs: Array) -> Array:
    with torch.no_grad():
        return np.asarray(tile.forward(torch.tensor(inputs, dtype=torch.float32)).double().numpy())
