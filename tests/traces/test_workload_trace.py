"""A workload trace is the network it came from, to the last byte, and a person can write one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import workloads.layers
from simcore import FileError, WorkloadError
from tests.strategies import NetworkCase
from tests.strategies import networks as drawn_networks
from tests.traces.trace_bench import (
    CONV,
    END,
    HEADER,
    LINEAR,
    REQUEST,
    TINY,
    layers,
    of_every_kind,
    of_ids,
    read,
    written,
)
from traces import Bits, Trace, json_schema, read_trace, write_trace
from traces.trace_records import OPERATIONS, operation_record
from workloads import (
    BatchNorm,
    Conv2d,
    Input,
    Layer,
    Linear,
    Network,
    Select,
    Window,
    golden_outputs,
    lower,
    networks,
    quantize,
)
from workloads.data import Dataset
from workloads.zoo.transformers import decoder

SCHEMA = Path(__file__).parents[2] / "docs" / "imcsim.trace-1.schema.json"


def there_and_back(folder: Path, trace: Trace, name: str = "a.jsonl", tensors: bool = False) -> Trace:
    """Return a trace as it is read, once it has been written again to the same bytes."""
    (folder / "again").mkdir(exist_ok=True)
    write_trace(folder / name, trace, tensors=tensors)
    back = read_trace(folder / name)
    write_trace(folder / "again" / name, back, tensors=tensors)
    for path in folder.glob("a.*"):
        assert path.read_bytes() == (folder / "again" / path.name).read_bytes()
    return back


def assert_same(back: Network, network: Network) -> None:
    """Assert that two networks agree in all that a run depends on, names and order included."""
    assert list(back.layers.items()) == list(network.layers.items())
    assert (back.name, back.dataset, back.notes) == (network.name, network.dataset, network.notes)
    assert back.scales.tensors == network.scales.tensors
    assert {n: s.tolist() for n, s in back.scales.weights.items()} == {
        n: s.tolist() for n, s in network.scales.weights.items()
    }
    assert lower(back).nodes == lower(network).nodes


# -- round trips ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", networks.names())
def test_every_built_in_network_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    network = networks[name]()
    assert_same(there_and_back(tmp_path, Trace(network, (0,)), "a.jsonl.gz").network, network)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn_networks(), st.lists(st.integers(0, 2**40), max_size=3).map(sorted))
def test_any_network_comes_back_with_its_weights(
    tmp_path: Path, case: NetworkCase, arrivals: list[int]
) -> None:
    back = there_and_back(tmp_path, Trace(case.network, tuple(arrivals)), tensors=True)
    assert_same(back.network, case.network)
    assert back.arrivals == tuple(arrivals)
    for layer, parameters in case.network.load_parameters().items():
        for name, array in parameters.items():
            np.testing.assert_array_equal(back.network.load_parameters()[layer][name], array, strict=True)


def test_a_layer_of_every_kind_comes_back_with_scales_widths_and_notes(tmp_path: Path) -> None:
    network, ids = of_every_kind(), of_ids()
    kinds = {type(layer) for each in (network, ids) for layer in each.layers.values()}
    assert kinds == {*OPERATIONS.values(), Input}
    assert_same(there_and_back(tmp_path, Trace(ids)).network, ids)
    widths = {"fc": Bits(weight_bits=4), "conv": Bits(8, 8)}
    back = there_and_back(tmp_path, Trace(network, (0, 5, 5), Bits(activation_bits=8), widths))
    assert_same(back.network, network)
    assert (back.bits, back.operation_bits) == (Bits(activation_bits=8), widths)


@settings(deadline=None)
@given(layers())
def test_an_operation_is_its_layer_whatever_its_attributes(layer: Layer) -> None:
    record = operation_record(layer)
    assert type(record).model_validate_json(record.line()).layer() == layer


def test_every_layer_that_networks_are_built_from_is_an_operation() -> None:
    kinds = {getattr(workloads.layers, name) for name in workloads.layers.__all__}
    known = {kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Layer)}
    assert known - {Layer, Input} == set(OPERATIONS.values())


def test_compressed_traces_have_no_date_and_no_name(tmp_path: Path) -> None:
    write_trace(tmp_path / "a.jsonl.gz", Trace(of_every_kind()))
    packed = (tmp_path / "a.jsonl.gz").read_bytes()
    assert packed[3:8] == bytes(5)  # no flags, so no name, and the time 0
    write_trace(tmp_path / "a.jsonl", Trace(of_every_kind()))
    assert gzip.decompress(packed) == (tmp_path / "a.jsonl").read_bytes()


def test_images_and_labels_travel_beside_the_weights(tmp_path: Path) -> None:
    fc = Network("fc", [Input(name="x", shape=(3, 1, 1)), Linear(name="fc", out_features=2, bias=False)])
    weight = np.array([[1, 2, 3], [4, 5, 6]], np.float64)
    network = Network("fc", fc.layers.values(), lambda: {"fc": {"weight": weight}})
    inputs = np.arange(12, dtype=np.float32).reshape(4, 3, 1, 1)
    labels = np.array([0, 1, 1, 0])
    data = Dataset("mine", inputs, labels, "made up")
    write_trace(tmp_path / "first.jsonl", Trace(network, (0,)), tensors=True, data=data)
    back = there_and_back(tmp_path, read_trace(tmp_path / "first.jsonl"), tensors=True)
    assert back.data is not None
    np.testing.assert_array_equal(back.data.inputs, inputs)
    np.testing.assert_array_equal(back.data.labels, labels)
    assert back.network.load_parameters()["fc"]["weight"].dtype == np.float64


def test_a_decoder_comes_back_with_its_weights_and_computes_the_same(tmp_path: Path) -> None:
    network = decoder("decoder", tokens=6, blocks=1, features=8, heads=2, vocabulary=11)
    back = there_and_back(tmp_path, Trace(network), tensors=True).network
    assert_same(back, network)
    ids = np.arange(6).reshape(1, 1, 6, 1)
    found, expected = (
        golden_outputs(quantize(lower(each), each.load_parameters(), ids), ids) for each in (back, network)
    )
    assert np.array_equal(found, expected)


def test_what_a_trace_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    class Own(Linear):
        pass

    image = Input(name="x", shape=(3, 1, 1))
    with pytest.raises(WorkloadError, match="own: a trace has no operation for Own"):
        write_trace(tmp_path / "a.jsonl", Trace(Network("n", [image, Own(name="own", out_features=1)])))
    norm = BatchNorm(name="c", eps=float("inf"))
    with pytest.raises(WorkloadError, match=r"n: a trace cannot hold c: eps: .*finite"):
        write_trace(tmp_path / "a.jsonl", Trace(Network("n", [image, norm])))
    with pytest.raises(WorkloadError, match=r"a trace cannot hold the header: name: .*pattern"):
        write_trace(tmp_path / "a.jsonl", Trace(Network("two\nlines", [image])))
    rows = Select(name="all", rows=(0, *range(2**20 - 1)))
    with pytest.raises(FileError, match=r"a\.jsonl:2 - a line may have 4194304 bytes at most"):
        write_trace(tmp_path / "a.jsonl", Trace(Network("n", [Input(name="x", shape=(1, 2**20, 1)), rows])))
    assert not list(tmp_path.iterdir())


# -- by hand -------------------------------------------------------------------------------------------------


def test_a_person_needs_to_write_no_more_than_sizes(tmp_path: Path) -> None:
    network = read(tmp_path, *TINY).network
    expected = [
        Input(name="image", shape=(1, 8, 8)),
        Conv2d(name="conv", inputs=("image",), out_channels=8, window=Window.square(3)),
        Linear(name="fc", inputs=("conv",), out_features=10),
    ]
    assert list(network.layers.values()) == expected
    assert not network.has_parameters


def test_blank_lines_are_no_lines(tmp_path: Path) -> None:
    assert_same(
        read(tmp_path, HEADER, "", CONV, LINEAR, "  ", REQUEST, END, "").network,
        read(tmp_path, *TINY).network,
    )


def test_without_requests_images_are_there_whenever_they_are_asked_for(tmp_path: Path) -> None:
    end = '{"end": {"operations": 2, "requests": 0}}'
    assert read(tmp_path, HEADER, CONV, LINEAR, end).arrivals_of(3) == (0, 0, 0)


def test_requests_that_tell_times_are_all_there_are(tmp_path: Path) -> None:
    later, end = '{"request": {"cycle": 7}}', '{"end": {"operations": 2, "requests": 2}}'
    trace = read(tmp_path, HEADER, CONV, LINEAR, REQUEST, later, end)
    assert trace.arrivals_of(2) == (0, 7)
    assert trace.arrivals_of(1) == (0,)
    with pytest.raises(WorkloadError, match="tiny tells when 2 images arrive, got --images 3; ask for fewer"):
        trace.arrivals_of(3)


# -- the schema ----------------------------------------------------------------------------------------------


def test_the_published_schema_is_that_of_the_records() -> None:
    assert json.loads(SCHEMA.read_text()) == json_schema(), "write it anew: imcsim trace schema"


def test_the_schema_takes_traces_and_nothing_that_is_none(tmp_path: Path) -> None:
    check = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    check.check_schema(check.schema)
    write_trace(tmp_path / "a.jsonl", Trace(of_every_kind(), (0, 3), Bits(8, 8)))
    lines = [*(tmp_path / "a.jsonl").read_text().splitlines(), *TINY]
    assert [line for line in lines if not check.is_valid(json.loads(line))] == []
    wrong = {"out_features": 0.5}, {"out_features": -2}, {"op": "liner"}, {"colour": 1}, {"macs": "many"}
    assert not [change for change in wrong if check.is_valid(json.loads(LINEAR) | change)]


def test_the_trace_file_of_the_documentation_is_read(tmp_path: Path) -> None:
    text = (SCHEMA.parent / "traces.md").read_text()
    block = next(part for part in text.split("```") if part.startswith('json\n{"schema"'))
    path = written(tmp_path, *block.splitlines()[1:])
    assert read_trace(path).network.macs > 0
