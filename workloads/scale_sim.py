"""SCALE-Sim's topology files: convolutions, or products of matrices, as a table of sizes.

    Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
    Conv1, 224, 224, 7, 7, 3, 64, 2,

    Layer, M, N, K
    qkv, 197, 2304, 768

A convolution's map has its padding in it, and a last, partial step counts, as in SCALE-Sim. A product is a
convolution of one pixel over a column of M pixels. The table tells nothing of what lies between two rows:
pooling, padding, sums, branches. So a row reads the one before it, and where shapes differ a `Select` makes
them fit, axis by axis: of a larger one the last place of each of as many equal shares, so that the reader
waits as a pool would let it; around a smaller one zeros, as padding has them. The network's notes tell so.

A single filter of several pixels, over channels that the next row still reads, is a depthwise convolution,
which does as much work. A line with a name and no sizes is a heading.

Format and sizes: SCALE-Sim v2 (Samajdar et al., ISPASS 2020), its `topology_utils.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simcore.errors import FileError, WorkloadError
from simcore.files import read_text
from workloads.layers import Conv2d, Input, Layer, Places, Select, Shape
from workloads.limits import MOST_ALONG_AN_AXIS, bounded_shape
from workloads.network import Network
from workloads.window import Window

MOST_BYTES = 2**20
#: That selections between rows may read in all; each is kept.
MOST_PLACES = 2**22
CONVOLUTION = (
    "IFMAP Height",
    "IFMAP Width",
    "Filter Height",
    "Filter Width",
    "Channels",
    "Num Filter",
    "Strides",
)
#: A second stride, which some files have.
ACROSS = "Strides across"
PRODUCT = ("M", "N", "K")


@dataclass(frozen=True)
class _Row:
    """One layer of the table; sizes are (height, width) [pixel].

    place : file and line
    """

    place: str
    name: str
    ifmap: tuple[int, int]
    kernel: tuple[int, int]
    channels: int
    filters: int
    stride: tuple[int, int]

    @property
    def in_shape(self) -> Shape:
        """What it reads."""
        return (self.channels, *self.ifmap)

    def layer(self, name: str, depthwise: bool) -> Conv2d:
        """Return the convolution, padded where its last step is a partial one."""
        down, right = (
            -(size - kernel) % stride
            for size, kernel, stride in zip(self.ifmap, self.kernel, self.stride, strict=True)
        )
        return Conv2d(
            name=name,
            out_channels=self.channels if depthwise else self.filters,
            window=Window(kernel=self.kernel, stride=self.stride, padding=(0, 0, down, right)),
            groups=self.channels if depthwise else 1,
            bias=False,
        )


def read_scale_sim(path: str | Path) -> Network:
    """Return the network of a topology file, its structure only.

    raises : FileError, with a line for each cell that is wrong, or if it is no topology file
    """
    text = read_text(path, MOST_BYTES, "a SCALE-Sim topology")
    lines = [(n, line.partition("#")[0]) for n, line in enumerate(text.splitlines(), start=1)]
    table = [
        (f"{path}:{n}", [cell.strip() for cell in line.split(",")]) for n, line in lines if line.strip(" \t,")
    ]
    if len(table) < 2:
        raise FileError(f"{path} holds no layers; it must have SCALE-Sim's header and a layer in each line")
    (place, header), *rest = table
    columns = _columns(header, place)
    notes = [f"the column {name!r} is left out" for name in header[1 + len(columns) :] if name]
    notes += [f"{cells[0]!r} has no sizes, and is left out" for _, cells in rest if not any(cells[1:])]
    problems: list[str] = []
    rows = [_row(columns, cells, place, problems) for place, cells in rest if any(cells[1:])]
    if problems:
        raise FileError("\n".join(problems))
    if not rows:
        raise FileError(f"{path} holds no layers, only headings; write the sizes of each layer in a line")
    return _chained(Path(path).stem, [row for row in rows if row is not None], notes)


def _columns(header: list[str], place: str) -> tuple[str, ...]:
    """Return the names of the columns with sizes; files spell alike only what tells the two forms apart."""
    names = [name.lower() for name in header[1:]]
    if names[: len(PRODUCT)] == [name.lower() for name in PRODUCT]:
        return PRODUCT
    if names and "ifmap" in names[0]:
        ninth = names[7] if len(names) > 7 else ""
        return (*CONVOLUTION, ACROSS) if not ninth or "stride" in ninth else CONVOLUTION
    raise FileError(
        f"{place} - must be the header of a SCALE-Sim topology, 'Layer name, {', '.join(CONVOLUTION)}' or "
        f"'Layer, {', '.join(PRODUCT)}', got {', '.join(header)[:80]!r}"
    )


def _row(columns: tuple[str, ...], cells: list[str], place: str, problems: list[str]) -> _Row | None:
    """Return a line's layer; None if something is wrong, which is then among the `problems`."""
    written = [*cells[1:], *[""] * len(columns)][: len(columns)]
    if columns[-1] == ACROSS:
        written[-1] = written[-1] or written[-2]  # one stride is for both
    wrong = [
        f"{place} - {column} must be a whole number from 1 to {MOST_ALONG_AN_AXIS}, got {cell[:40]!r}"
        for column, cell in zip(columns, written, strict=True)
        if not re.fullmatch(r"\d{1,9}", cell, re.ASCII) or not 1 <= int(cell) <= MOST_ALONG_AN_AXIS
    ]
    if wrong:
        problems += wrong
        return None
    sizes = [int(cell) for cell in written]
    if columns is PRODUCT:
        pixels, filters, channels = sizes
        return _Row(place, cells[0], (pixels, 1), (1, 1), channels, filters, (1, 1))
    height, width, kernel_height, kernel_width, channels, filters, down = sizes[: len(CONVOLUTION)]
    row = _Row(
        place,
        cells[0],
        (height, width),
        (kernel_height, kernel_width),
        channels,
        filters,
        (down, sizes[-1] if columns[-1] == ACROSS else down),
    )
    if kernel_height > height or kernel_width > width:
        problems.append(f"{place} - the filter must fit into the IFMAP, got {row.kernel} over {row.ifmap}")
        return None
    return row


def _chained(network: str, rows: Sequence[_Row], notes: list[str]) -> Network:
    """Return the network in which each row reads the one before it."""
    layers: list[Layer] = [Input(name="input", shape=rows[0].in_shape)]
    shape = rows[0].in_shape
    taken, places = {"input"}, 0

    def append(layer: Layer, place: str) -> None:
        nonlocal shape
        try:
            shape = bounded_shape(layer, [shape], len(layers))
        except WorkloadError as error:
            raise FileError(f"{place} - {error}") from None
        layers.append(layer)

    for row, behind in zip(rows, [*rows[1:], None], strict=True):
        name = _name(row.name, taken)
        if name != row.name:
            notes.append(f"the layer {row.name!r} is called {name}")
        if shape != row.in_shape:
            ends = f"{layers[-1].name} ({_by(shape)}) and {name} ({_by(row.in_shape)})"
            notes.append(f"between {ends} the file has nothing: values are picked, or amid zeros, to fit")
            places += sum(want for have, want in zip(shape, row.in_shape, strict=True) if have != want)
            if places > MOST_PLACES:
                raise FileError(
                    f"{row.place} - maps up to here must be fitted to {places} places, at most "
                    f"{MOST_PLACES} are allowed; split the file"
                )
            append(_fitting(_name(f"{name}-ifmap", taken), shape, row.in_shape), row.place)
        depthwise = (
            row.filters == 1 < row.channels
            and row.kernel != (1, 1)
            and behind is not None
            and behind.channels == row.channels
        )
        if depthwise:
            notes.append(f"{name} has one filter, and {row.channels} channels are read: it is depthwise")
        append(row.layer(name, depthwise), row.place)
    return Network(network, layers, notes=notes)


def _fitting(name: str, have: Shape, want: Shape) -> Select:
    """Return the selection that makes one shape of another."""
    channels, rows, columns = (_places(*sizes) for sizes in zip(have, want, strict=True))
    return Select(name=name, channels=channels, rows=rows, columns=columns)


def _places(have: int, want: int) -> Places:
    """Return the places of an axis that make `want` of `have`: the last of each share, or all amid zeros."""
    if want == have:
        return None
    if want < have:
        return tuple((i + 1) * have // want - 1 for i in range(want))
    before = (want - have) // 2
    return (*[-1] * before, *range(have), *[-1] * (want - have - before))


def _name(written: str, taken: set[str]) -> str:
    """Return a layer's name of the characters that names have, which nothing else is called, and take it."""
    name = re.sub(r"[^A-Za-z0-9_/-]", "_", written) or "layer"
    while name in taken:
        name = f"{name}-{len(taken)}"
    taken.add(name)
    return name


def _by(shape: Shape) -> str:
    """Return a shape as SCALE-Sim has it: height, width, channels."""
    return f"{shape[1]}x{shape[2]}x{shape[0]}"
