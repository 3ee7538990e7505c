"""Raw values laid over one another, and single values set by path."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simcore.config import Config, InvalidConfigError, PartConfig, param, part
from simcore.errors import ConfigError
from simcore.registry import Registry
from simcore.settings import assign, assign_all, overlay

adc_configs: Registry[type[PartConfig]] = Registry("component")


@adc_configs.register("column-adc")
class ColumnAdcConfig(PartConfig):
    bits: int = param(8, ge=1, le=12, unit="bit", doc="resolution")
    columns: int = param(8, ge=1, unit="bitline", doc="bitlines that take turns")


@adc_configs.register("sar-adc")
class SarAdcConfig(PartConfig):
    bits: int = param(10, ge=1, le=16, unit="bit", doc="resolution")


class CoreConfig(Config):
    rows: int = param(128, ge=1, unit="wordline", doc="inputs")
    adc: PartConfig = part("column-adc", lookup=adc_configs.__getitem__, doc="converter")


class LayerConfig(Config):
    replication: int | Literal["auto"] = param("auto", ge=1, unit="copy", doc="copies")
    adc: PartConfig = part("column-adc", lookup=adc_configs.__getitem__, doc="converter of this layer")


class ChipConfig(Config):
    core: CoreConfig = param(CoreConfig(), unit="", doc="every core")
    cores: tuple[CoreConfig, ...] = param((), unit="core", doc="special cores")
    layers: dict[str, LayerConfig] = param({}, unit="", doc="layers by name")
    bits: dict[str, int] = param({}, unit="bit", doc="bits by layer")


def test_a_change_replaces_values_and_goes_into_mappings() -> None:
    base = {"a": 1, "b": {"c": 2, "d": [1, 2]}, "e": 5}
    assert overlay(base, {"b": {"d": [3]}, "e": {"f": 6}}) == {"a": 1, "b": {"c": 2, "d": [3]}, "e": {"f": 6}}


def test_a_changed_kind_drops_the_parameters_of_the_former_kind() -> None:
    base = {"adc": {"kind": "column-adc", "columns": 4, "bits": 6}}
    assert overlay(base, {"adc": {"kind": "sar-adc"}}) == {"adc": {"kind": "sar-adc"}}
    assert overlay(base, {"adc": {"kind": "column-adc", "bits": 5}})["adc"]["columns"] == 4
    assert overlay({"adc": {"bits": 6}}, {"adc": {"kind": "sar-adc"}}) == {
        "adc": {"bits": 6, "kind": "sar-adc"}
    }


raw = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
)
mappings = st.dictionaries(st.sampled_from("abcd"), raw, max_size=3)


@given(mappings, mappings, mappings)
def test_an_overlay_touches_neither_side_and_is_idempotent(a: Any, b: Any, c: Any) -> None:
    before = deepcopy((a, b, c))
    merged = overlay(overlay(a, b), c)
    assert (a, b, c) == before
    assert overlay(a, {}) == a == overlay(a, a)
    assert overlay(merged, c) == merged


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("core.rows", 64, {"core": {"rows": 64}}),
        ("core.adc.bits", 6, {"core": {"adc": {"bits": 6}}}),
        ("core.adc.kind", "sar-adc", {"core": {"adc": {"kind": "sar-adc"}}}),
        ("core", {"rows": 4}, {"core": {"rows": 4}}),
        ("layers.conv1.replication", 4, {"layers": {"conv1": {"replication": 4}}}),
        ("layers.layer1.0.conv1.replication", 4, {"layers": {"layer1.0.conv1": {"replication": 4}}}),
        ("layers.layer1.0.conv1.adc.bits", 4, {"layers": {"layer1.0.conv1": {"adc": {"bits": 4}}}}),
        ("layers.conv1", {"replication": 2}, {"layers": {"conv1": {"replication": 2}}}),
        ("bits.layer1.0.conv1", 4, {"bits": {"layer1.0.conv1": 4}}),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: object, expected: dict[str, Any]) -> None:
    assert assign({}, path, value, ChipConfig) == expected
    ChipConfig.parse(expected)


def test_setting_into_written_values_keeps_the_rest() -> None:
    values = {
        "cores": [{"rows": 2}, {"rows": 4, "adc": {"bits": 3}}],
        "layers": {"a.adc": {"replication": 3}},
    }
    before = deepcopy(values)
    changed = assign(values, "cores.1.adc.bits", 5, ChipConfig)
    assert changed["cores"] == [{"rows": 2}, {"rows": 4, "adc": {"bits": 5}}]
    # A layer that is written already wins over the part `adc` of a layer `a`.
    changed = assign(changed, "layers.a.adc.replication", 7, ChipConfig)
    assert changed["layers"] == {"a.adc": {"replication": 7}}
    assert values == before


def test_a_kind_is_set_before_the_parameters_that_it_brings() -> None:
    values = ChipConfig().canonical()
    settings: list[tuple[str, object]] = [("core.adc.bits", 16), ("core.adc.kind", "sar-adc")]
    chip = ChipConfig.parse(assign_all(values, settings, ChipConfig))
    assert chip.core.adc == SarAdcConfig(kind="sar-adc", bits=16)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("rowz", "is unknown: ChipConfig has no 'rowz'; known: core, cores, layers, bits"),
        (
            "core.adc.bitz",
            "is unknown: core.adc has no 'bitz'; did you mean 'bits'? It has: kind, bits, columns",
        ),
        ("core.rows.x", "is unknown: core.rows is a single value (int)"),
        ("core..rows", "is unknown: core has no ''; known: rows, adc"),
        ("cores.0.rows", "is unknown: cores is a list of 0 here; set it as a whole"),
        ("cores.x", "is unknown: cores is a list of 0 here; set it as a whole"),
        (
            "layers.layer1.0.conv1.replicaton",
            "is unknown: layers.layer1.0.conv1 has no 'replicaton'; "
            "did you mean 'replication'? It has: replication, adc",
        ),
        (
            "layers.fc.adc.bitz",
            "is unknown: layers.fc.adc has no 'bitz'; did you mean 'bits'? It has: kind, bits, columns",
        ),
    ],
)
def test_a_bad_path_says_where_and_what_there_is(path: str, message: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        assign({}, path, 1, ChipConfig)
    assert caught.value.problems[0].message == message


@pytest.mark.parametrize(
    ("values", "path", "message"),
    [
        ({"core": 3}, "core.rows", "cannot be set, as core is 3 and not a mapping"),
        ({"layers": []}, "layers.a.replication", "cannot be set, as layers is [] and not a mapping"),
        (
            {"core": {"adc": {"kind": "sar"}}},
            "core.adc.bits",
            "cannot be set, as core.adc.kind is unknown: "
            "no component is called 'sar'; did you mean 'sar-adc'?",
        ),
    ],
)
def test_nothing_is_set_below_what_is_no_mapping(values: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        assign(values, path, 1, ChipConfig)
    assert caught.value.problems[0].message == message


def test_a_wrong_kind_in_the_file_can_be_set_right() -> None:
    changed = assign({"core": {"adc": {"kind": "sar"}}}, "core.adc.kind", "sar-adc", ChipConfig)
    assert changed == {"core": {"adc": {"kind": "sar-adc"}}}


def test_all_bad_settings_come_at_once_with_their_source() -> None:
    with pytest.raises(ConfigError) as caught:
        assign_all({}, [("corr.rows", 1), ("core.rows", 2), ("core.x", 3)], ChipConfig, source="--set")
    assert str(caught.value).splitlines() == [
        "--set corr.rows - is unknown: ChipConfig has no 'corr'; did you mean 'core'? "
        "It has: core, cores, layers, bits",
        "--set core.x - is unknown: core has no 'x'; known: rows, adc",
    ]


names = st.sampled_from(
    ["core", "cores", "layers", "bits", "adc", "rows", "kind", "replication", "0", "a", ""]
)
values = st.dictionaries(
    names,
    st.recursive(st.none() | st.integers(), lambda v: st.lists(v) | st.dictionaries(names, v)),
    max_size=3,
)


@given(values, st.lists(names, min_size=1, max_size=5), st.integers() | values)
def test_any_path_into_any_values_is_set_or_refused(start: Any, path: list[str], value: object) -> None:
    with suppress(ConfigError):
        changed = assign(start, ".".join(path), value, ChipConfig)
        assert assign(changed, ".".join(path), value, ChipConfig) == changed
