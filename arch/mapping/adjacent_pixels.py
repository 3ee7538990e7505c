"""Several adjacent output pixels a step: shifted copies of a kernel side by side in the same arrays.

m pixels of a row are one pixel of another convolution. Its kernel spans their windows, K + (m - 1) s wide,
and moves by m s; its columns are those of m copies of the kernel, each s positions further along (a Toeplitz
matrix), with zeros in all other cells. So inputs are shared, cells are wasted, and a row of the map takes
ceil(width / m) steps. The last of them may have fewer pixels left than m: its window reaches over the edge,
and what the copies without a pixel give is dropped.

Source: Cin x K x (K + (m - 1) s) rows, m x Cout columns, OH x ceil(OW / m) steps; table of weight mappings of
the pipelined dataflow machine (Dazzi et al. 2021, derived).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore import MappingError
from workloads import MatrixNode, Window


@dataclass(frozen=True, kw_only=True)
class AdjacentPixels(MatrixNode):
    """The matrix of all pixels of a step; columns of a group by pixel first, by channel second.

    single : the matrix of one pixel
    pixels : in a step, but for the last of a row
    """

    single: MatrixNode
    pixels: int

    @property
    def last_pixels(self) -> int:
        """Pixels of a row's last step."""
        return self.single.shape[2] - (self.shape[2] - 1) * self.pixels

    def pixels_of(self, step: int) -> range:
        """Return the output pixels of a step; both may count on over rows and images."""
        row, place = divmod(step, self.shape[2])
        first, width = row * self.single.shape[2], self.single.shape[2]
        return range(first + place * self.pixels, first + min((place + 1) * self.pixels, width))

    def kernel_columns(self, pixel: int) -> range:
        """Return the columns of the window that one of a step's pixels reads."""
        first = pixel * self.single.window.stride[1]
        return range(first, first + self.single.window.kernel[1])

    def short_steps(self, products: int, first: int, every: int) -> int:
        """Return how many of the steps `first`, `first` + `every`, ... have fewer pixels, of so many."""
        if self.last_pixels == self.pixels:
            return 0
        steps = first + every * np.arange(products)
        return int(np.count_nonzero(steps % self.shape[2] == self.shape[2] - 1))


def widened(node: MatrixNode, pixels: int) -> AdjacentPixels:
    """Return the matrix of `pixels` adjacent pixels of a layer, at most a row of its map.

    raises : MappingError for a window with gaps between its columns
    """
    window, (height, width) = node.window, node.in_shapes[0][1:]
    if window.dilation[1] > 1 and window.kernel[1] > 1:
        raise MappingError(
            f"{node.name} cannot give {pixels} pixels a step, as its kernel has gaps between its columns "
            f"(dilation {window.dilation[1]}); set layers.{node.name}.pixels_per_step=1"
        )
    kernel, stride = window.kernel[1], window.stride[1]
    across = -(-node.shape[2] // pixels)
    top, left, bottom, _ = window.padding
    reach = (across * pixels - 1) * stride + kernel
    wide = Window(
        kernel=(window.kernel[0], kernel + (pixels - 1) * stride),
        stride=(window.stride[0], pixels * stride),
        padding=(top, left, bottom, max(0, reach - left - width)),
        dilation=(window.dilation[0], 1),
    )
    assert wide.output_size((height, width)) == (node.shape[1], across)
    return AdjacentPixels(
        name=node.name,
        inputs=node.inputs,
        in_shapes=node.in_shapes,
        shape=(pixels * node.cols, node.shape[1], across),
        window=wide,
        groups=node.groups,
        cols=pixels * node.cols,
        single=node,
        pixels=pixels,
    )


def step_weights(node: MatrixNode, weights: NDArray[Any]) -> NDArray[Any]:
    """Return what cells hold of a layer's weights (groups, rows, columns of a group): copies, if several."""
    if not isinstance(node, AdjacentPixels):
        return weights
    (high, kernel), wide = node.single.window.kernel, node.window.kernel[1]
    groups, _, cols = weights.shape
    by_place = weights.reshape(groups, high, kernel, -1, cols)
    copies = np.zeros((groups, high, wide, by_place.shape[3], node.pixels, cols), weights.dtype)
    for pixel in range(node.pixels):
        columns = node.kernel_columns(pixel)
        copies[:, :, columns.start : columns.stop, :, pixel] = by_place
    return copies.reshape(groups, node.rows, node.pixels * cols)
