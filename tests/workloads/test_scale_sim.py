"""SCALE-Sim topologies: every row's work as SCALE-Sim counts it, in a chain whose joints are told."""

from __future__ import annotations

import contextlib
from math import ceil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simcore import FileError, SimError
from workloads import Conv2d, Input, Network, Select, Window, read_scale_sim

HEADER = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"


def read(folder: Path, *lines: str, name: str = "net.csv") -> Network:
    """Return the network of a file of these lines."""
    (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return read_scale_sim(folder / name)


def refused(folder: Path, *lines: str) -> list[str]:
    """Return what is said of a file of these lines, line by line."""
    with pytest.raises(FileError) as caught:
        read(folder, *lines)
    return str(caught.value).replace(f"{folder / 'net.csv'}", "FILE").splitlines()


def work(network: Network) -> dict[str, int]:
    """Return the multiply-accumulates of each row's layer."""
    layers = network.layers.items()
    return {n: layer.macs(network.in_shapes(n)) for n, layer in layers if isinstance(layer, Conv2d)}


@st.composite
def rows(draw: st.DrawFn) -> tuple[int, ...]:
    """Draw heights and widths of a map and a filter, channels, filters and strides."""
    height, width = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    kernel = draw(st.integers(1, height)), draw(st.integers(1, width))
    channels, filters = draw(st.sampled_from((1, 2, 5))), draw(st.sampled_from((1, 2, 5)))
    return (height, width, *kernel, channels, filters, draw(st.integers(1, 4)), draw(st.integers(1, 4)))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows(), min_size=1, max_size=5))
def test_every_row_does_the_work_that_scale_sim_counts(tmp_path: Path, table: list[tuple[int, ...]]) -> None:
    network = read(tmp_path, HEADER, *(f"L{i}, {', '.join(map(str, row))}," for i, row in enumerate(table)))
    expected = {}
    for i, (height, width, down, across, channels, filters, *strides) in enumerate(table):
        pixels = ceil((height - down + strides[0]) / strides[0]) * ceil(
            (width - across + strides[1]) / strides[1]
        )
        expected[f"L{i}"] = pixels * down * across * channels * filters
    assert work(network) == expected
    assert network.input_shape == (table[0][4], *table[0][:2])
    for i, (height, width, *_, channels, _, _, _) in enumerate(table):
        assert network.in_shapes(f"L{i}") == ((channels, height, width),)
    joints = [layer for layer in network.layers.values() if isinstance(layer, Select)]
    assert sum("the file has nothing" in note for note in network.notes) == len(joints)
    assert not network.has_parameters


def test_layers_that_fit_are_chained_as_they_are(tmp_path: Path) -> None:
    network = read(tmp_path, HEADER, "a, 8, 9, 3, 3, 2, 4, 1,", "b, 6, 7, 1, 1, 4, 5, 2,")
    assert list(network.layers.values()) == [
        Input(name="input", shape=(2, 8, 9)),
        Conv2d(name="a", inputs=("input",), out_channels=4, window=Window.square(3), bias=False),
        Conv2d(
            name="b",
            inputs=("a",),
            out_channels=5,
            # 6 rows in steps of 2 end with a partial one, of which the last row is missing
            window=Window(kernel=(1, 1), stride=(2, 2), padding=(0, 0, 1, 0)),
            bias=False,
        ),
    ]
    assert (network.name, network.notes) == ("net", ())


def test_between_layers_that_do_not_fit_shares_end_at_their_last_pixel_amid_zeros(tmp_path: Path) -> None:
    network = read(tmp_path, HEADER, "a, 6, 6, 1, 1, 3, 4, 1,", "b, 3, 9, 1, 1, 4, 1, 1,")
    joint = Select(name="b-ifmap", inputs=("a",), rows=(1, 3, 5), columns=(-1, 0, 1, 2, 3, 4, 5, -1, -1))
    assert network.layers["b-ifmap"] == joint
    assert network.notes == (
        "between a (6x6x4) and b (3x9x4) the file has nothing: values are picked, or amid zeros, to fit",
    )


def test_one_filter_over_channels_that_are_still_read_is_depthwise(tmp_path: Path) -> None:
    network = read(tmp_path, HEADER, "dw, 8, 8, 3, 3, 16, 1, 1,", "pw, 6, 6, 1, 1, 16, 1, 1,")
    assert network.layers["dw"] == Conv2d(
        name="dw", inputs=("input",), out_channels=16, window=Window.square(3), groups=16, bias=False
    )
    assert network.shapes["pw"] == (1, 6, 6)  # nothing reads 16 channels of the last
    assert network.notes == ("dw has one filter, and 16 channels are read: it is depthwise",)


def test_products_are_convolutions_of_a_pixel_over_a_column(tmp_path: Path) -> None:
    network = read(tmp_path, "Layer,M,N,K", "qk, 197, 64, 48", "v, 197, 10, 64,")
    assert network.shapes == {"input": (48, 197, 1), "qk": (64, 197, 1), "v": (10, 197, 1)}
    assert work(network) == {"qk": 197 * 64 * 48, "v": 197 * 10 * 64}


@pytest.mark.parametrize(
    "header",
    [
        HEADER.upper(),
        HEADER.lower().rstrip(","),
        HEADER.replace("Strides", "Stride Height, Stride Width"),
        HEADER.replace("IFMAP Height", "IFMAP_ht").replace("Channels, Num Filter", "Channel, Num Filters"),
        HEADER.replace("IFMAP Height", "IFMAP Width"),  # as DeepBench's say
        "﻿" + HEADER,
    ],
)
def test_headers_are_written_in_many_ways(header: str, tmp_path: Path) -> None:
    lines = ["", "  ", "\tConv 1 ,5,5,3,3,1,2,1,  # the first", ",,,", "Conv2,3,3,1,1,2,2,1"]
    network = read(tmp_path, header, *lines)
    assert work(network) == {"Conv_1": 9 * 9 * 2, "Conv2": 9 * 4}
    assert network.notes == ("the layer 'Conv 1' is called Conv_1",)


def test_one_pixel_of_one_filter_is_no_depthwise_convolution(tmp_path: Path) -> None:
    network = read(tmp_path, HEADER, "a, 8, 8, 1, 1, 16, 1, 1,", "b, 8, 8, 1, 1, 16, 1, 1,")
    assert network.shapes["a"] == (1, 8, 8)


def test_headings_are_no_layers(tmp_path: Path) -> None:
    network = read(tmp_path, HEADER, "Encoder,,,,,,,,", "a, 8, 8, 1, 1, 16, 1, 1,", "Decoder")
    assert list(network.layers) == ["input", "a"]
    assert network.notes == (
        "'Encoder' has no sizes, and is left out",
        "'Decoder' has no sizes, and is left out",
    )


def test_a_second_stride_is_for_columns(tmp_path: Path) -> None:
    network = read(tmp_path, HEADER, "a, 5, 5, 1, 1, 1, 1, 2, 4,")
    assert network.shapes["a"] == (1, 3, 2)


@pytest.mark.parametrize("column", ["Sparsity", "Batch Size"])
def test_further_columns_are_left_out_and_told(column: str, tmp_path: Path) -> None:
    network = read(tmp_path, f"{HEADER} {column},", "a, 5, 5, 1, 1, 1, 1, 2, 1:4,")
    assert (network.shapes["a"], network.notes) == ((1, 3, 3), (f"the column {column!r} is left out",))


def test_layers_of_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    network = read(tmp_path, "Layer, M, N, K", "input, 4, 4, 4", "fc, 4, 4, 4", "fc, 4, 4, 4", ", 4, 4, 4")
    assert len(work(network)) == len(network.layers) - 1 == 4
    assert sum("is called" in note for note in network.notes) == 3


# -- bad files -----------------------------------------------------------------------------------------------


def test_all_wrong_cells_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    told = refused(tmp_path, HEADER, "a, 8, 8, 3, 3, x, 4, 0,", "", "b, 8, 8, 9, 3, 1, 1, 1,", "c, 8, 8")
    assert told == [
        "FILE:2 - Channels must be a whole number from 1 to 1048576, got 'x'",
        "FILE:2 - Strides must be a whole number from 1 to 1048576, got '0'",
        "FILE:2 - Strides across must be a whole number from 1 to 1048576, got '0'",
        "FILE:4 - the filter must fit into the IFMAP, got (9, 3) over (8, 8)",
        *(
            f"FILE:5 - {column} must be a whole number from 1 to 1048576, got ''"
            for column in (
                "Filter Height",
                "Filter Width",
                "Channels",
                "Num Filter",
                "Strides",
                "Strides across",
            )
        ),
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "FILE holds no layers; it must have SCALE-Sim's header and a layer in each line"),
        ((HEADER,), "FILE holds no layers;"),
        ((HEADER, "Encoder,,"), "FILE holds no layers, only headings; write the sizes"),
        (("a, b, c", "1, 2, 3"), "FILE:1 - must be the header of a SCALE-Sim topology, '"),
        (("Layer, M, N, K", "a, 1048576, 1048576, 1"), "FILE:2 - a: a layer may have 4294967296 elements"),
        (("Layer, M, N, K", "a, 1, 1, 1e3"), "FILE:2 - K must be a whole number from 1 to 1048576"),
        (("Layer, M, N, K", "a, 1, 1, " + "9" * 5000), "FILE:2 - K must be a whole number from 1 to 1048576"),
        (
            ("Layer, M, N, K", *(f"a, {1048576 - i}, 1, 1" for i in range(6))),
            "FILE:7 - maps up to here must be fitted to 5242865 places, at most",
        ),
    ],
)  # fmt: skip
def test_what_is_no_topology_is_refused(lines: tuple[str, ...], message: str, tmp_path: Path) -> None:
    told = refused(tmp_path, *lines)
    assert len(told) == 1
    assert told[0].startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe", ":1 - is not UTF-8 text"), (b"\n" * (2**20 + 1), "it is larger than 1048576 bytes")],
)
def test_what_is_no_text_is_not_read(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(FileError, match=message):
        read_scale_sim(tmp_path / "a.csv")
    with pytest.raises(FileError, match="No such file or directory; name a SCALE-Sim topology"):
        read_scale_sim(tmp_path / "none.csv")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.text(max_size=5) | st.integers(0, 99).map(str), max_size=9), max_size=4))
def test_any_table_is_a_network_or_refused(tmp_path: Path, table: list[list[str]]) -> None:
    lines = [",".join(row).replace("\n", "").encode("utf-8", "replace").decode() for row in table]
    with contextlib.suppress(SimError):
        assert read(tmp_path, HEADER, *lines).macs > 0
