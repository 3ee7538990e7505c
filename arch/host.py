"""The outside world: images go in pixel by pixel, outputs come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from arch.machine import DecodedTokens
from arch.tokens import Pixel, Token, images_of
from simcore import (
    MOST_CYCLES,
    BufferIn,
    Component,
    Operation,
    Out,
    PartConfig,
    Process,
    Shared,
    components,
    param,
    process,
)
from simcore.history import Moments


class Admission(Protocol):
    """What source and sink ask of the line in which images wait; see `arch.request_line.Line`."""

    def next(self) -> Any:
        """Let the source wait until the next image is let in."""

    def complete(self) -> None:
        """Note that the oldest image that is served is done."""


class SourceConfig(PartConfig):
    """Speed of the input."""

    pixel_cycles: int = param(
        130,
        ge=1,
        le=MOST_CYCLES,
        unit="cycle",
        doc="time between input pixels; one a step of the first layer, assumed",
    )
    turn_cycles: int = param(
        0,
        ge=0,
        le=MOST_CYCLES,
        unit="cycle",
        doc="from an output to the next token, which it chooses, where tokens are decoded; assumed",
    )


#: Pixels that are put ahead at most; memories look through them when they count what they hold.
PIXELS_AHEAD = 16


def _book(component: Component) -> Moments:
    """Return moments that runs which skip periods fill up; made here, as a subclass may build as it likes."""
    moments = Moments()
    component.books.append(moments)
    return moments


@components.register("source")
class Source(Component):
    """Feeds images, row by row and one behind the other, as fast as the first buffer takes them.

    images, pixels : to feed; pixels in one image
    together : pixels that come together each cycle; None is one every `config.pixel_cycles`
    requests : the line in which images wait until they may come in; None where all are there from the start
    link : what networks that share the machine take turns on for each pixel; None of one alone
    prompt : pixels of each image that are known before it begins; None where all are
    begun : images of which a pixel was offered, or that are waited for
    """

    Config = SourceConfig
    family = "host"
    config: SourceConfig

    pixel_out = Out(Pixel, doc="input pixels")
    feed = Operation(
        doc="the time from one input pixel to the next; a cycle, where several come together",
        set_by=("pixel_cycles",),
    )

    images: int = 0
    pixels: int = 0
    together: int | None = None
    requests: Admission | None = None
    link: Any = None
    prompt: int | None = None
    begun: int = 0

    @cached_property
    def accepted(self) -> Moments:
        """Tick in which the first pixel of each image was taken."""
        return _book(self)

    def share_link(self) -> Shared:
        """Return the port to a link that pixels of several networks come by."""
        port: Shared = self.port(Shared(doc="the host's link"), "link")
        self.link = port
        return port

    def decode(self, sink: Sink, prompt: int) -> None:
        """Offer each pixel behind the first `prompt` of an image `turn_cycles` after the output before it."""
        self.prompt = sink.prompt = prompt
        self.token_in: Any = self.port(BufferIn(Token, doc="tokens that outputs have chosen"), "token_in")
        sink.token_out = sink.port(Out(Token, doc="tokens that outputs have chosen"), "token_out")
        self.connect(sink.token_out, self.token_in, None, self.config.turn_cycles)

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles from one pixel to the next, or from those of a cycle to the others."""
        return {"feed": (self.config.pixel_cycles if self.together is None else 1,)}

    @process
    def serve(self) -> Process:
        """Offer a pixel, or several; once they are taken, wait until the next ones are there.

        The wait for an image that has not arrived is charged to `wait-resource:arrival`, that for one which
        the queue does not let in yet to `wait-resource:service`, and that for a token that an output chooses
        to `wait-input:token_in`.
        Pixels that come one by one, and for which there is room already, are put ahead: one wake for many.
        Of several networks the next pixels come once it is their turn on the link, which waits for no buffer.
        """
        together, (cycles,) = self.together or 1, self.lasts()["feed"]
        put, put_at, engine = self.pixel_out.put, self.pixel_out.put_at, self.simulation.engine
        hold, hold_from, link = self.feed.hold, self.feed.hold_from, self.link
        chosen = 0
        for image in images_of(self):
            self.begun = image + 1
            if self.requests is not None:
                yield self.requests.next()
            first = pixel = image * self.pixels
            end = known = first + self.pixels
            if self.prompt is not None:
                known = first + self.prompt
            while pixel < end:
                if pixel >= known:
                    chosen += 1
                    yield self.token_in.arrived(chosen)
                    self.token_in.free(chosen)
                yield put(pixel)
                if pixel == first:
                    self.accepted.append(engine.now)
                pixel += 1
                if pixel % together:
                    continue
                if link is not None:
                    yield link.acquire()
                    yield hold(cycles)
                    link.release()
                    continue
                if together > 1:
                    yield hold(cycles)
                    continue
                wait = hold(cycles)
                last = min(pixel + PIXELS_AHEAD, known)
                while pixel < last and put_at(pixel, engine.now + wait):
                    wait += hold_from(engine.now + wait, cycles)
                    pixel += 1
                yield wait

    def phase(self, items: int) -> tuple[int, ...]:
        """Return how many images are under way, and where a cycle's pixels begin; readers count pixels."""
        return self.begun - items, items * self.pixels % (self.together or 1)


@components.register("sink")
class Sink(Component):
    """Takes output pixels as they come and ends the run with the last expected one, of all sinks there are.

    beside : sinks of other networks that share the machine
    images, pixels : expected; output pixels of one image
    requests : the line that images came from, if they waited for one
    prompt : tokens of each image that are given, where its outputs choose the others; None where all are
    """

    family = "host"

    pixel_in = BufferIn(Pixel, doc="output pixels")

    images: int = 0
    pixels: int = 0
    beside: Sequence[Sink] = ()
    requests: Admission | None = None
    prompt: int | None = None
    token_out: Any = None

    @cached_property
    def completed(self) -> Moments:
        """Tick in which each image's last output pixel was there."""
        return _book(self)

    @cached_property
    def out(self) -> list[int]:
        """Tick in which each output pixel was there, where tokens are decoded."""
        return []

    @process
    def serve(self) -> Process:
        """Wait for each image's outputs; tell the source at once of a token that one of them chooses."""
        chosen = 0
        if not self.images:  # of a network at rest beside others
            return
        self.simulation.expect(self.images, "images", lambda: len(self.completed))
        for image in images_of(self):
            end = (image + 1) * self.pixels
            if self.prompt is not None:
                for place in range(self.pixels):
                    yield self.pixel_in.arrived(end - self.pixels + place + 1)
                    self.out.append(self.simulation.engine.now)
                    if self.prompt <= place + 1 < self.pixels:
                        yield self.token_out.put(chosen)
                        chosen += 1
            yield self.pixel_in.arrived(end)
            self.pixel_in.free(end)
            self.completed.append(self.simulation.engine.now)
            if self.requests is not None:
                self.requests.complete()
            if image + 1 < self.images:
                self.simulation.arrived()
        if all(len(sink.completed) == sink.images for sink in self.beside):
            last = (
                sink.units[0] for sink in (self, *self.beside) if sink.completed[-1:] == self.completed[-1:]
            )
            self.simulation.finish(min(last, key=lambda unit: unit.path))

    def decoded(self, ids: NDArray[np.int32] | None) -> DecodedTokens | None:
        """Return what came of decoding, None where nothing was.

        ids : of all images' tokens, one after the other; None in a run without values
        """
        if self.prompt is None:
            return None
        sequences = (self.images, self.pixels)
        out = np.array(self.out, np.int64).reshape(sequences)
        return DecodedTokens(self.prompt, out, None if ids is None else ids.reshape(sequences))

    def phase(self, items: int) -> tuple[int, ...]:
        """Return how many pixels of the present image have come."""
        return (self.pixel_in.sent - items * self.pixels,)
