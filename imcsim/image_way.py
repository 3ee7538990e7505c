"""The way of one image through a machine: which operation let which other one begin until it was complete."""

from __future__ import annotations

import numpy as np

from imcsim.results import Run
from imcsim.run_tables import ImageRow
from simcore import Activity, SimError, category
from simcore.activity import NOBODY
from traces.enabling import image_chain
from traces.perfetto_slices import NO_ARROWS, Arrows


def way_of_image(run: Run, image: int | None = None) -> Arrows:
    """Return the relations that decided when an image was complete, from when it was accepted on.

    image : the one that was complete last, if left out; where networks share the machine, that of the network
        that completed it last
    returns : pairs of rows of the activity, none for a run that tells of no images
    raises : SimError if there was no such image
    """
    images = [row for row in run.images if image is None or row.image == image]
    if not images:
        if image is None:
            return NO_ARROWS
        last = max((row.image for row in run.images), default=None)
        known = "of none" if last is None else f"of images 0 to {last}"
        raise SimError(f"the run tells {known}, got --image {image}; choose one of these")
    row = max(images, key=lambda row: row.completed)
    activity = run.recorded
    accepted, completed = (round(at * activity.ticks_per_cycle) for at in (row.accepted, row.completed))
    unit = _completing_unit(run, activity, row, completed)
    return NO_ARROWS if unit == NOBODY else np.stack(image_chain(activity, completed, accepted, unit), 1)


def _completing_unit(run: Run, activity: Activity, row: ImageRow, completed: int) -> int:
    """Return the host's unit that waited for the image until then, or else the one that ended the run."""
    kinds = np.array([category(state) == "wait-input" for state in activity.states], bool)
    ended = kinds[activity.state] & (activity.start + activity.duration == completed)
    hosts = {unit.path for unit in run.units if unit.family == "host"}
    waited = [unit for unit in activity.unit[ended].tolist() if activity.units[unit] in hosts]
    of_network = [unit for unit in waited if activity.units[unit].startswith(f"{row.workload}.")]
    units: list[int] = of_network or waited or [activity.finisher]
    return units[0]
