"""The sliding window: which pixels of a map each output pixel reads.

Convolutions, pools and (as a window that covers its whole map) fully connected layers share this geometry.
Sizes are (height, width) in pixels; padding is (top, left, bottom, right), so it may differ on every side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import WorkloadError

Size = tuple[int, int]
Padding = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A kernel's extent, and how it steps over a map.

    kernel, stride, dilation : (height, width) [pixel]
    padding : (top, left, bottom, right) [pixel] around the map
    """

    kernel: Size
    stride: Size = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Size = (1, 1)

    def __post_init__(self) -> None:
        for what, values, least in (
            ("kernel", self.kernel, 1),
            ("stride", self.stride, 1),
            ("padding", self.padding, 0),
            ("dilation", self.dilation, 1),
        ):
            sides = 4 if what == "padding" else 2
            whole = isinstance(values, tuple) and all(isinstance(value, int) for value in values)
            if not whole or len(values) != sides:
                raise WorkloadError(
                    f"window {what} must be {sides} whole numbers of pixels in a tuple, got {values!r}; "
                    "Window.square takes one number for all sides"
                )
            if min(values) < least:
                raise WorkloadError(f"window {what} must be at least {least} pixel, got {values}")

    @classmethod
    def square(cls, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> Window:
        """Return the window that treats height and width alike, with equal padding on all four sides."""
        return cls(
            kernel=(kernel, kernel),
            stride=(stride, stride),
            padding=(padding,) * 4,
            dilation=(dilation, dilation),
        )

    @property
    def positions(self) -> int:
        """Pixels that one output pixel reads, padding included."""
        return self.kernel[0] * self.kernel[1]

    @property
    def span(self) -> Size:
        """Height and width [pixel] from the first to the last pixel of a dilated kernel."""
        return (
            (self.kernel[0] - 1) * self.dilation[0] + 1,
            (self.kernel[1] - 1) * self.dilation[1] + 1,
        )

    @property
    def is_identity(self) -> bool:
        """Whether each output pixel reads the one input pixel at its own place."""
        return self.kernel == (1, 1) and self.stride == (1, 1) and not any(self.padding)

    def output_size(self, size: Size) -> Size:
        """Return the size of the output over a map of `size`; WorkloadError if the kernel does not fit."""
        top, left, bottom, right = self.padding
        padded = (size[0] + top + bottom, size[1] + left + right)
        if padded[0] < self.span[0] or padded[1] < self.span[1]:
            raise WorkloadError(
                f"the window spans {_by(self.span)} pixels, but its padded input has only {_by(padded)}; "
                "pad more, or use a smaller kernel or dilation"
            )
        return (
            (padded[0] - self.span[0]) // self.stride[0] + 1,
            (padded[1] - self.span[1]) // self.stride[1] + 1,
        )

    def rounded_up(self, size: Size) -> Window:
        """Return this window with the bottom and right padding that `ceil_mode` implies over a map of `size`.

        A last, partial step counts as long as it starts in the map or its top left padding (PyTorch's rule).
        """
        top, left, bottom, right = self.padding
        return replace(
            self,
            padding=(
                top,
                left,
                _end_padding(size[0] + top, bottom, self.span[0], self.stride[0]),
                _end_padding(size[1] + left, right, self.span[1], self.stride[1]),
            ),
        )

    def coverage(self, size: Size) -> NDArray[np.int64]:
        """Return how many pixels inside a map of `size` each output pixel reads, (height, width) int64."""
        return np.outer(self._covered(0, size), self._covered(1, size))

    def misses_all(self, size: Size) -> bool:
        """Tell whether some output pixel reads only padding over a map of `size`."""
        return not (self._covered(0, size).all() and self._covered(1, size).all())

    def _covered(self, axis: int, size: Size) -> NDArray[np.int64]:
        """Return how many of the kernel's places along an axis are inside the map, for each of its steps."""
        step = self.dilation[axis]
        starts = np.arange(self.output_size(size)[axis]) * self.stride[axis] - self.padding[axis]
        first = np.maximum(0, -(starts // step))  # the first place that is not before the map
        behind = np.minimum(self.kernel[axis], (size[axis] - 1 - starts) // step + 1)
        return np.asarray(np.maximum(0, behind - first), np.int64)

    def taps(self, maps: NDArray[Any], fill: float) -> Iterator[NDArray[Any]]:
        """Yield for each kernel position, row by row, the pixels that it reads.

        maps : (..., height, width), any number type
        fill : what padding reads as
        yields : (..., output height, output width) views of a padded copy
        """
        height, width = self.output_size((maps.shape[-2], maps.shape[-1]))
        top, left, bottom, right = self.padding
        if any(self.padding):
            sides = [(0, 0)] * (maps.ndim - 2) + [(top, bottom), (left, right)]
            maps = np.pad(maps, sides, constant_values=fill)
        for y in range(0, self.span[0], self.dilation[0]):
            for x in range(0, self.span[1], self.dilation[1]):
                yield maps[
                    ...,
                    y : y + (height - 1) * self.stride[0] + 1 : self.stride[0],
                    x : x + (width - 1) * self.stride[1] + 1 : self.stride[1],
                ]


def _end_padding(start: int, end: int, span: int, stride: int) -> int:
    """Return the bottom padding that rounds up the steps over `start` pixels of map and top padding."""
    steps = min(-(-(start + end - span) // stride), (start - 1) // stride)
    return max(0, steps * stride + span - start)


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
