"""A configuration is complete, frozen and within its bounds, or it is one error that names every problem."""

from __future__ import annotations

import pickle
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from annotated_types import MultipleOf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError, model_validator

from simcore.config import Config, InvalidConfigError, PartConfig, Problem, param, part
from simcore.errors import ConfigError
from simcore.registry import Registry

adc_configs: Registry[type[PartConfig]] = Registry("component")


class Rule(Enum):
    FIRST = "first"
    ROUND_ROBIN = "round-robin"


class AdcConfig(PartConfig):
    """What all converters have."""

    bits: int = param(8, ge=1, le=12, unit="bit", doc="resolution")


@adc_configs.register("column-adc")
class ColumnAdcConfig(AdcConfig):
    columns: int = param(8, ge=1, unit="bitline", doc="bitlines that take turns")


@adc_configs.register("sar-adc")
class SarAdcConfig(AdcConfig):
    sample_ns: float = param(0.5, gt=0, unit="ns", doc="time to sample")


@adc_configs.register("router")
class RouterConfig(PartConfig):
    ports: int = param(5, ge=2, unit="port", doc="ports")


class CoreConfig(Config):
    """One core."""

    rows: int = param(128, ge=1, unit="wordline", doc="inputs")
    adc: AdcConfig = part("column-adc", lookup=adc_configs.__getitem__, doc="converter of the columns")

    @model_validator(mode="after")
    def _adcs_share_rows_evenly(self) -> CoreConfig:
        if self.rows % 2:
            raise ValueError(f"rows must be even, got {self.rows}")
        return self


class LayerConfig(Config):
    replication: int | Literal["auto"] = param("auto", ge=1, unit="copy", doc="copies of the weights")


class ChipConfig(Config):
    """A chip."""

    detail: Literal["array", "group"] = param("array", unit="one of", doc="what is a process")
    rule: Rule = param(Rule.FIRST, unit="one of", doc="who goes first")
    gate: bool = param(True, unit="", doc="idle parts are switched off")
    period_ns: float = param(1, gt=0, le=1000, unit="ns", doc="clock period")
    spare: float | None = param(None, ge=0, lt=1, unit="", doc="share of spare rows")
    delays: tuple[float, ...] = param((1.0, 2.0), ge=0, unit="ns", doc="delay of each hop")
    mesh: tuple[int, int] = param((2, 2), ge=1, unit="tile", doc="width and height")
    core: CoreConfig = param(CoreConfig(rows=64), unit="", doc="every core")
    cores: tuple[CoreConfig, ...] = param((), unit="core", doc="cores unlike the others")
    layers: dict[str, LayerConfig] = param({}, unit="", doc="layers by name")


def problems_of(values: Any, model: type[Config] = ChipConfig) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        model.parse(values, where="chip")
    return str(caught.value).splitlines()


def test_defaults_fill_what_is_left_out() -> None:
    chip = ChipConfig.parse({})
    assert chip == ChipConfig()
    assert chip.core.adc == ColumnAdcConfig(kind="column-adc")
    assert chip.period_ns == 1.0
    assert isinstance(chip.period_ns, float)


def test_values_are_read_as_declared() -> None:
    chip = ChipConfig.parse(
        {
            "detail": "group",
            "rule": "round-robin",
            "period_ns": "0.13 us",
            "delays": ["500 ps", 3],
            "mesh": [3, "4 tile"],
            "core": {"rows": 32, "adc": {"kind": "sar-adc", "sample_ns": "250 ps"}},
            "cores": [{"rows": 2}],
            "layers": {"layer1.0.conv1": {"replication": 4}, "fc": {}},
        }
    )
    assert chip.rule is Rule.ROUND_ROBIN
    assert chip.period_ns == 130
    assert chip.delays == (0.5, 3.0)
    assert chip.mesh == (3, 4)
    assert chip.core.adc == SarAdcConfig(kind="sar-adc", sample_ns=0.25)
    assert chip.cores == (CoreConfig(rows=2),)
    assert chip.layers == {"layer1.0.conv1": LayerConfig(replication=4), "fc": LayerConfig()}


def test_what_a_nested_mapping_leaves_out_stays_as_the_default_of_its_place() -> None:
    # CoreConfig by itself has 128 rows, the core of a chip 64; the table of parameters tells of those.
    assert ChipConfig.parse({"core": {"adc": {"bits": 4}}}).core == CoreConfig.parse(
        {"rows": 64, "adc": {"bits": 4}}
    )
    assert ChipConfig.parse({"core": {}}).core.rows == 64
    assert ChipConfig.parse({"core": CoreConfig()}).core.rows == 128


class TwinConfig(Config):
    chip: ChipConfig = param(
        ChipConfig.parse({"core": {"adc": {"kind": "sar-adc", "bits": 5, "sample_ns": 2}}, "gate": False}),
        unit="",
        doc="one of two",
    )


def test_defaults_reach_through_all_that_a_mapping_nests_but_not_to_another_kind() -> None:
    chip = TwinConfig.parse({"chip": {"core": {"adc": {"bits": 6}}}}).chip
    assert chip.gate is False
    assert chip.core == CoreConfig.parse({"rows": 64, "adc": {"kind": "sar-adc", "bits": 6, "sample_ns": 2}})
    chosen = TwinConfig.parse({"chip": {"core": {"adc": {"kind": "column-adc"}}}}).chip.core
    assert chosen == CoreConfig(rows=64)
    assert problems_of({"chip": {"core": {"adc": {"bits": 13}}}}, TwinConfig) == [
        "chip.chip.core.adc.bits must be in [1, 12] bit, got 13"
    ]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"core": {"adc": {"bits": 16}}}, "chip.core.adc.bits must be in [1, 12] bit, got 16"),
        (
            {"core": {"adc": {"bits": 8.0}}},
            "chip.core.adc.bits must be a whole number in [1, 12] bit, got 8.0",
        ),
        (
            {"core": {"adc": {"bits": True}}},
            "chip.core.adc.bits must be a whole number in [1, 12] bit, got True",
        ),
        (
            {"core": {"adc": {"bits": "8 ns"}}},
            "chip.core.adc.bits must be in bit, got '8 ns'; 'ns' does not convert to bit",
        ),
        (
            {"core": {"adc": {"bits": None}}},
            "chip.core.adc.bits must be a whole number in [1, 12] bit, got None",
        ),
        ({"core": {"adc": {"bitz": 8}}}, "chip.core.adc.bitz is unknown; did you mean 'bits'?"),
        (
            {"core": {"adc": {"kind": "sar"}}},
            "chip.core.adc.kind is unknown: no component is called 'sar'; did you mean 'sar-adc'?",
        ),
        ({"core": {"adc": {"kind": 3}}}, "chip.core.adc.kind must be a name, got 3"),
        ({"core": {"adc": {"kind": None}}}, "chip.core.adc.kind must be a name, got None"),
        (
            {"core": {"adc": {"kind": "router"}}},
            "chip.core.adc.kind must name a kind of AdcConfig, got 'router', a RouterConfig",
        ),
        (
            {"core": {"adc": {"kind": "sar-adc", "columns": 3}}},
            "chip.core.adc.columns is unknown; known: kind, bits, sample_ns",
        ),
        ({"core": {"adc": 3}}, "chip.core.adc must be a mapping, got 3"),
        ({"core": {"rows": 3}}, "chip.core is inconsistent: rows must be even, got 3"),
        ({"core": [1]}, "chip.core must be a mapping, got [1]"),
        ({"cores": [{}, {"adc": {"bits": 0}}]}, "chip.cores.1.adc.bits must be in [1, 12] bit, got 0"),
        ({"cores": [{}, 3]}, "chip.cores.1 must be a mapping, got 3"),
        ({"cores": {}}, "chip.cores must be a list, got {}"),
        ({"layers": {"a.b": {"replication": 0}}}, "chip.layers.a.b.replication must be >= 1 copy, got 0"),
        (
            {"layers": {"a": {"replication": "all"}}},
            "chip.layers.a.replication must be a whole number >= 1 copy or 'auto', got 'all'",
        ),
        ({"layers": {3: {}}}, "chip.layers must have text as names, got 3"),
        ({"detail": "arrays"}, "chip.detail must be one of 'array', 'group', got 'arrays'"),
        ({"rule": "last"}, "chip.rule must be one of 'first', 'round-robin', got 'last'"),
        ({"gate": "on"}, "chip.gate must be true or false, got 'on'"),
        ({"gate": 1}, "chip.gate must be true or false, got 1"),
        ({"period_ns": 0}, "chip.period_ns must be in (0, 1000] ns, got 0"),
        ({"period_ns": "5 us"}, "chip.period_ns must be in (0, 1000] ns, got '5 us'"),
        ({"period_ns": float("nan")}, "chip.period_ns must be in (0, 1000] ns, got nan"),
        ({"period_ns": False}, "chip.period_ns must be a number in (0, 1000] ns, got False"),
        (
            {"period_ns": "fast"},
            "chip.period_ns must be a number of ns or text with a unit such as '5 ns', got 'fast'",
        ),
        ({"spare": 1}, "chip.spare must be in [0, 1), got 1"),
        ({"spare": "5"}, "chip.spare must be a plain number, got '5'"),
        ({"spare": []}, "chip.spare must be a number in [0, 1) or null, got []"),
        ({"delays": [1, -1]}, "chip.delays.1 must be >= 0 ns, got -1"),
        (
            {"delays": [1, "x"]},
            "chip.delays.1 must be a number of ns or text with a unit such as '5 ns', got 'x'",
        ),
        ({"delays": [float("inf")]}, "chip.delays.0 must be a number >= 0 ns, got inf"),
        ({"delays": [10**400]}, f"chip.delays.0 must be a finite number >= 0 ns, got 1{'0' * 56}..."),
        (
            {"delays": [10**5000]},
            "chip.delays.0 must be a finite number >= 0 ns, got a number of thousands of digits",
        ),
        ({"mesh": [1]}, "chip.mesh must be a list of 2, got (1,)"),
        ({"mesh": [1, 2, 3]}, "chip.mesh must be a list of 2, got (1, 2, 3)"),
        ({"mesh": [1, "0.5 tile"]}, "chip.mesh.1 must be a whole number >= 1 tile, got '0.5 tile'"),
        (
            {"core": {3: 4}},
            "chip.core.3 is unknown; known: rows, adc",
        ),
        (["core"], "chip must be a mapping, got ['core']"),
    ],
)
def test_a_problem_says_where_expected_and_got(values: Any, line: str) -> None:
    assert problems_of(values) == [line]


def test_all_problems_come_at_once_in_the_order_of_declaration() -> None:
    values = {
        "zzz": 1,
        "layers": {"a": {"replication": 0, "x": 1}},
        "core": {"rows": 0, "adc": {"bits": 99}},
        "gate": 3,
    }
    assert [line.split(" ")[0] for line in problems_of(values)] == [
        "chip.gate",
        "chip.core.rows",
        "chip.core.adc.bits",
        "chip.layers.a.replication",
        "chip.layers.a.x",
        "chip.zzz",
    ]  # fmt: skip


def test_an_error_carries_its_problems() -> None:
    with pytest.raises(InvalidConfigError) as caught:
        ChipConfig.parse({"core": {"rows": 0}})
    assert caught.value.problems == (Problem("core.rows", "must be >= 1 wordline, got 0"),)
    assert str(caught.value) == "ChipConfig.core.rows must be >= 1 wordline, got 0"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_direct_construction_raises_the_same_error() -> None:
    with pytest.raises(ConfigError, match=r"^ColumnAdcConfig.bits must be in \[1, 12\] bit, got 16$"):
        ColumnAdcConfig(bits=16)
    with pytest.raises(ConfigError, match=r"^CoreConfig is inconsistent: rows must be even, got 5$"):
        CoreConfig(rows=5)
    with pytest.raises(ConfigError, match=r"^ChipConfig.core.rows must be >= 1 wordline, got 0$"):
        ChipConfig(core={"rows": 0})  # type: ignore[arg-type]


def test_a_required_parameter_says_what_it_must_be() -> None:
    class Needy(Config):
        width: int = param(ge=1, unit="bit", doc="width")

    assert problems_of({}, Needy) == ["chip.width is missing; it must be a whole number >= 1 bit"]


def test_a_constraint_of_pydantic_keeps_its_own_words() -> None:
    class Even(Config):
        width: Annotated[int, MultipleOf(2)] = param(2, unit="bit", doc="width")

    assert problems_of({"width": 3}, Even) == [
        "chip.width is refused, got 3: Input should be a multiple of 2"
    ]


def test_a_bad_default_is_an_error_too() -> None:
    class Careless(Config):
        width: int = param(0, ge=1, unit="bit", doc="width")

    with pytest.raises(ConfigError, match=r"Careless.width must be >= 1 bit, got 0"):
        Careless()


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ChipConfig().gate = False


def test_a_part_given_as_an_instance_keeps_its_kind() -> None:
    assert CoreConfig(adc=ColumnAdcConfig(bits=4)).canonical()["adc"]["kind"] == "column-adc"
    assert CoreConfig(adc=SarAdcConfig(kind="sar-adc")).canonical()["adc"]["kind"] == "sar-adc"
    with pytest.raises(
        ConfigError, match="adc is a SarAdcConfig, but kind 'column-adc' takes a ColumnAdcConfig"
    ):
        CoreConfig(adc=SarAdcConfig())


def test_a_field_without_unit_and_doc_is_refused() -> None:
    with pytest.raises(TypeError, match=r"declare Bare.width by param\(\) or part\(\)"):

        class Bare(Config):
            width: int = 3

    with pytest.raises(ConfigError, match="not the way to write a unit"):
        param(3, unit="Gigahertz!", doc="clock")


def test_only_a_part_has_a_kind() -> None:
    with pytest.raises(TypeError, match=r"Pool.kind needs another name; only a PartConfig has a kind"):

        class Pool(Config):
            kind: str = param("max", unit="one of", doc="max or mean")


def test_a_union_of_configurations_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Torn.adc cannot be a union of configurations; use part\(\)"):

        class Torn(Config):
            adc: ColumnAdcConfig | SarAdcConfig = param(ColumnAdcConfig(), unit="", doc="converter")


def test_parameters_lists_every_path_with_its_effective_default() -> None:
    rows = {row.path: row for row in ChipConfig.parameters()}
    assert list(rows) == [
        "detail", "rule", "gate", "period_ns", "spare", "delays", "mesh", "core.rows", "core.adc.kind",
        "core.adc.bits", "core.adc.columns", "cores", "cores.N.rows", "cores.N.adc.kind", "cores.N.adc.bits",
        "cores.N.adc.columns", "layers", "layers.NAME.replication",
    ]  # fmt: skip
    assert rows["core.rows"].default == 64
    assert rows["cores.N.rows"].default == 128
    assert rows["core.adc.kind"].default == "column-adc"
    bits = rows["core.adc.bits"]
    assert (bits.type, bits.default, bits.unit, bits.bounds, bits.doc) == (
        "int",
        8,
        "bit",
        "[1, 12]",
        "resolution",
    )
    assert rows["detail"].type == "'array' | 'group'"
    assert rows["rule"].default == "first"
    assert rows["spare"].type == "float | null"
    assert rows["delays"].type == "list of float"
    assert rows["layers"].type == "mapping of LayerConfig"


def test_parameters_tells_required_and_absent_parts_and_reads_defaults() -> None:
    class Sparse(Config):
        width: int = param(ge=1, unit="bit", doc="width")
        delay: float = param("0.13 us", unit="ns", doc="delay")
        adc: AdcConfig | None = param(None, unit="", doc="converter, if any")

    rows = {row.path: row for row in Sparse.parameters()}
    assert [path for path, row in rows.items() if row.required] == ["width"]
    assert rows["delay"].default == 130
    assert rows["adc"].type == "AdcConfig | null"
    assert "adc.bits" in rows


def test_a_json_schema_shows_units_and_bounds() -> None:
    schema = ColumnAdcConfig.model_json_schema()["properties"]["bits"]
    assert (schema["unit"], schema["minimum"], schema["maximum"]) == ("bit", 1, 12)


adcs = st.one_of(
    st.fixed_dictionaries({}, optional={"bits": st.integers(1, 12), "columns": st.integers(1, 9)}),
    st.fixed_dictionaries({"kind": st.just("sar-adc")}, optional={"sample_ns": st.floats(0.001, 1e9)}),
)
cores = st.fixed_dictionaries({}, optional={"rows": st.integers(1, 9).map(lambda n: 2 * n), "adc": adcs})
chips = st.fixed_dictionaries(
    {},
    optional={
        "detail": st.sampled_from(["array", "group"]),
        "rule": st.sampled_from(["first", "round-robin"]),
        "period_ns": st.floats(0, 1000, exclude_min=True) | st.integers(1, 1000),
        "spare": st.none() | st.floats(0, 1, exclude_max=True),
        "delays": st.lists(st.floats(0, 1e300), max_size=3),
        "core": cores,
        "cores": st.lists(cores, max_size=2),
        "layers": st.dictionaries(
            st.text(max_size=5), st.fixed_dictionaries({"replication": st.integers(1, 9)})
        ),
    },
)


@given(chips)
def test_canonical_data_parses_back_to_an_equal_configuration(values: dict[str, Any]) -> None:
    chip = ChipConfig.parse(values)
    assert ChipConfig.parse(chip.canonical()) == chip
    assert ChipConfig.parse(chip.canonical()).canonical() == chip.canonical()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(list(ChipConfig.model_fields)), anything))
def test_any_values_give_a_configuration_or_a_config_error(values: dict[str, Any]) -> None:
    try:
        ChipConfig.parse(values)
    except ConfigError as error:
        lines = str(error).splitlines()
        assert [line for line in lines if not line.startswith("ChipConfig.")] == []
