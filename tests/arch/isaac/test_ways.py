"""Ways over meshes and from chip to chip: as the topology has them, and made of links that are there."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from arch import ConcentratedMesh
from arch.machines.isaac import IsaacConfig
from arch.machines.isaac.ways import Leg, Way, Ways

TILES = st.integers(0, 167)


@st.composite
def machines(draw: st.DrawFn) -> IsaacConfig:
    """Draw chips of any size and shape."""
    return IsaacConfig.parse(
        {
            "tiles": draw(st.integers(1, 60)),
            "mesh": {"columns": draw(st.integers(1, 7)), "concentration": draw(st.integers(1, 5))},
            "hypertransport": {"links": draw(st.integers(1, 9))},
        }
    )


def stops(legs: list[Leg]) -> list[int | str]:
    return [leg.source for leg in legs[:1]] + [leg.target for leg in legs]


@settings(deadline=None)
@given(TILES, TILES)
def test_first_ways_on_a_chip_are_those_of_the_concentrated_mesh(source: int, target: int) -> None:
    mesh = ConcentratedMesh(rows=7, columns=6, concentration=4)
    legs = Ways(IsaacConfig()).first(source, target, 0)
    assert (stops(legs) or [source]) == mesh.route(168, source, target)


@settings(deadline=None)
@given(machines(), st.data())
def test_every_way_is_one_of_links_that_are_there_and_passes_no_router_twice(
    config: IsaacConfig, data: st.DataObject
) -> None:
    tiles = data.draw(st.integers(1, 4 * config.tiles), label="tiles")
    ways = Ways(config, tiles)
    links = list(ways.legs())
    assert len(set(links)) == len(links)
    source, target = (data.draw(st.integers(0, tiles - 1)) for _ in range(2))
    lane = data.draw(st.integers(0, ways.lanes - 1), label="lane")
    first = ways.first(source, target, lane)
    others = ways.others(source, target, lane) if source != target else []
    for way in (first, *others):
        assert set(way) <= set(links)
        assert all(a.target == b.source for a, b in pairwise(way))
        if way:
            assert (way[0].source, way[-1].target) == (source, target)
    assert [len(way) for way in others] == sorted(len(way) for way in others)
    if source // config.tiles == target // config.tiles:
        assert all(len(first) <= len(way) and way != first for way in others)
        assert len({tuple(way) for way in others}) == len(others)


@settings(deadline=None)
@given(machines(), st.integers(0, 150), st.integers(1, 40), st.integers(0, 150), st.integers(1, 40))
def test_the_longest_way_is_that_of_the_farthest_tiles(
    config: IsaacConfig, a: int, n: int, b: int, m: int
) -> None:
    ways = Ways(config)
    found = ways.longest(range(a, a + n), range(b, b + m))
    lengths = []
    for source in range(a, a + n):
        for target in range(b, b + m):
            for lane in range(ways.lanes):
                legs = ways.first(source, target, lane)
                lengths.append(Way(max(len(legs) - 1, 0), sum(leg.lane is not None for leg in legs)))
    expected = max(lengths, key=lambda way: (way.chips, way.routers))
    assert found == expected or found == Way(1) == max(expected, Way(1))


def test_four_links_of_a_chip_lead_by_two_to_each_neighbour_from_corners_of_the_mesh() -> None:
    between = [leg for leg in Ways(IsaacConfig(), 3 * 168).legs() if leg.lane is not None]
    assert len(between) == 2 * 2 * 2  # neighbours, lanes, directions
    # The last row of 42 routers is 36 to 41, and the first of the next chip is 42 to 47; even rows go right.
    assert {(leg.source, leg.target) for leg in between[:4]} == {
        (f"router[{a}]", f"router[{b}]") for a, b in ((36, 42), (42, 36), (41, 47), (47, 41))
    }
