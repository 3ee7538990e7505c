"""The outside world: images go in pixel by pixel, outputs come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arch.tokens import Pixel, images_of
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

if TYPE_CHECKING:
    from arch.request_line import Line


class SourceConfig(PartConfig):
    """Speed of the input."""

    pixel_cycles: int = param(
        130,
        ge=1,
        le=MOST_CYCLES,
        unit="cycle",
        doc="time between input pixels; one a step of the first layer, assumed",
    )


#: Pixels that are put ahead at most; memories look through them when they count what they hold.
PIXELS_AHEAD = 16


@components.register("source")
class Source(Component):
    """Feeds images, row by row and one behind the other, as fast as the first buffer takes them.

    images, pixels : to feed; pixels in one image
    together : pixels that come together each cycle; None is one every `config.pixel_cycles`
    requests : the line in which images wait until they may come in; None where all are there from the start
    link : what networks that share the machine take turns on for each pixel; None of one alone
    begun : images of which a pixel was offered, or that are waited for
    accepted : tick in which the first pixel of each image was taken
    """

    Config = SourceConfig
    family = "host"
    config: SourceConfig

    pixel_out = Out(Pixel, doc="input pixels")
    feed = Operation(doc="the time from one input pixel to the next")

    images: int = 0
    pixels: int = 0
    together: int | None = None
    requests: Line | None = None
    link: Any = None
    begun: int = 0
    accepted: list[int]

    def share_link(self) -> Shared:
        """Return the port to a link that pixels of several networks come by."""
        port: Shared = self.port(Shared(doc="the host's link"), "link")
        self.link = port
        return port

    @process
    def serve(self) -> Process:
        """Offer a pixel, or several; once they are taken, wait until the next ones are there.

        The wait for an image that has not arrived is charged to `wait-resource:arrival`, that for one which
        the queue does not let in yet to `wait-resource:service`.
        Pixels that come one by one, and for which there is room already, are put ahead: one wake for many.
        Of several networks the next pixels come once it is their turn on the link, which waits for no buffer.
        """
        together, cycles = (1, self.config.pixel_cycles) if self.together is None else (self.together, 1)
        put, put_at, engine = self.pixel_out.put, self.pixel_out.put_at, self.simulation.engine
        hold, hold_from, link = self.feed.hold, self.feed.hold_from, self.link
        self.accepted = []
        for image in images_of(self):
            self.begun = image + 1
            if self.requests is not None:
                yield self.requests.next()
            first = pixel = image * self.pixels
            end = first + self.pixels
            while pixel < end:
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
                last = min(pixel + PIXELS_AHEAD, end)
                while pixel < last and put_at(pixel, engine.now + wait):
                    wait += hold_from(engine.now + wait, cycles)
                    pixel += 1
                yield wait

    def phase(self, items: int) -> tuple[int, ...]:
        """Return how many images are under way, and where a cycle's pixels begin; readers count pixels."""
        return self.begun - items, items * self.pixels % (self.together or 1)


@components.register("sink")
class Sink(Component):
    """Takes output pixels as they come and ends the run with the last expected one.

    images, pixels : expected; output pixels of one image
    requests : the line that images came from, if they waited for one
    completed : tick in which each image's last output pixel was there
    """

    family = "host"

    pixel_in = BufferIn(Pixel, doc="output pixels")

    images: int = 0
    pixels: int = 0
    requests: Line | None = None
    completed: list[int]

    @process
    def serve(self) -> Process:
        """Wait for each image's outputs."""
        self.completed = []
        if not self.images:  # of a network at rest beside others
            return
        self.simulation.expect(self.images, "images", lambda: len(self.completed))
        for image in images_of(self):
            pixels = (image + 1) * self.pixels
            yield self.pixel_in.arrived(pixels)
            self.pixel_in.free(pixels)
            self.completed.append(self.simulation.engine.now)
            if self.requests is not None:
                self.requests.complete()
            if image + 1 < self.images:
                self.simulation.arrived()
        self.simulation.finish()

    def phase(self, items: int) -> tuple[int, ...]:
        """Return how many pixels of the present image have come."""
        return (self.pixel_in.sent - items * self.pixels,)
