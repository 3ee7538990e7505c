from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from simcore.errors import WorkloadError
from workloads.data import ASSETS
from workloads.npz import read_npz
from workloads.photograph import DEVIATION, MEAN, _averages, photo_crops


def test_photograph_is_scikit_learns_scaled_down() -> None:
    original = load_sample_image("china.jpg").astype(np.float64)
    shipped = read_npz(ASSETS / "photograph.npz")["photo"]
    assert shipped.shape == (256, 384, 3)
    low = _averages(original, 0.0, 427, 256)
    scaled = _averages(low.swapaxes(0, 1), 0.0, 640, 384).swapaxes(0, 1)
    assert np.abs(scaled - shipped).max() <= 0.5 + 1e-9
    notice = (ASSETS / "NOTICE.md").read_text()
    assert "danielbuechele" in notice
    assert "CC BY 2.0" in notice


def test_crops_do_not_depend_on_how_many_there_are_and_differ() -> None:
    crops = photo_crops((3, 32, 32), 5)
    assert crops.inputs.dtype == np.float32
    assert len(crops) == 5
    assert np.array_equal(crops.inputs[:2], photo_crops((3, 32, 32), 2).inputs)
    assert len({crop.tobytes() for crop in crops.inputs}) == 5


def test_crops_are_colours_normalised_as_torchvision_does() -> None:
    inputs = photo_crops((3, 64, 64), 16).inputs
    pixels = inputs * np.reshape(DEVIATION, (3, 1, 1)) + np.reshape(MEAN, (3, 1, 1))
    assert pixels.min() >= -1e-6
    assert pixels.max() <= 1.0 + 1e-6
    assert pixels.std() > 0.1


def test_other_than_three_channels_are_grey() -> None:
    inputs = photo_crops((5, 8, 12), 1).inputs
    assert (inputs == inputs[:, :1]).all()
    colours = photo_crops((3, 8, 12), 1).inputs[0]
    assert np.allclose(inputs[0, 0], 0.299 * colours[0] + 0.587 * colours[1] + 0.114 * colours[2], atol=1e-6)


@pytest.mark.parametrize(("pixels", "out"), [(10, 5), (10, 3), (4, 8), (7, 7)])
def test_scaling_averages_areas(pixels: int, out: int) -> None:
    values = np.arange(pixels, dtype=np.float64) ** 2
    scaled = _averages(values, 0.0, pixels, out)
    finer = np.repeat(values, out).reshape(out, pixels).mean(axis=1)  # each new pixel from `pixels` pieces
    assert np.allclose(scaled, finer)


def test_scaling_a_part_sees_nothing_else() -> None:
    values = np.array([9.0, 1.0, 3.0, 5.0, 9.0])
    assert np.allclose(_averages(values, 1.5, 2.0, 2), [2.0, 4.0])


def test_vectors_are_no_pictures() -> None:
    with pytest.raises(WorkloadError, match=r"a height and a width above 1 pixel, got shape \(12, 1, 1\)"):
        photo_crops((12, 1, 1), 1)
