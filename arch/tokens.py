"""What travels through ports. Tokens are plain integers; these classes say what an integer stands for.

An integer is a sequence number, counted over all images of a run: number k of a tensor with P pixels an image
is pixel k mod P of image k div P. The values that belong to it lie in the memories and registers of whoever
holds the token.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, takewhile
from typing import Protocol


class Bounded(Protocol):
    """A component that works for so many images, which may become fewer while it does."""

    images: int


class Token(int):
    """Any sequence number."""


class Pixel(Token):
    """One pixel, all channels, of one tensor."""


class Window(Token):
    """What the output pixels of a step, mostly one, are computed from, ready at the wordlines."""


class Sums(Token):
    """The column sums of one step, as far as its arrays have made them."""


class Image(Token):
    """All pixels of a tensor for one image."""


def images_of(component: Bounded) -> Iterator[int]:
    """Yield the numbers of a component's images, one by one, as long as there are so many."""
    return takewhile(lambda image: image < component.images, count())
