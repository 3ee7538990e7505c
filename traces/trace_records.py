"""The lines of a workload trace, `imcsim.trace/1`: what each may hold, and which layer an operation is.

    {"schema": "imcsim.trace/1", "name": "tiny", "input": {"name": "image", "shape": [1, 8, 8]}}
    {"op": "conv2d", "name": "conv", "out_channels": 8, "kernel": [3, 3]}
    {"op": "linear", "name": "fc", "out_features": 10}
    {"request": {"cycle": 0}}
    {"end": {"operations": 2, "requests": 1}}

An operation's attributes are the fields of its layer, with those of a window in place of it. So a new kind of
layer is a line in `OPERATIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from simcore.clocks import MOST_CYCLES
from simcore.errors import WorkloadError
from simcore.registry import near_miss
from workloads import (
    Activation,
    Add,
    AddEmbedding,
    Affine,
    AttentionMix,
    AttentionScores,
    AvgPool2d,
    BatchNorm,
    Clamp,
    ClassToken,
    Concat,
    Conv2d,
    Embedding,
    GlobalAvgPool,
    Layer,
    LayerNorm,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Mul,
    Select,
    Shortcut,
    Softmax,
    Window,
)
from workloads.limits import MOST_ALONG_AN_AXIS
from workloads.scales import LARGEST_SCALE, SMALLEST_SCALE, Quantization

SCHEMA = "imcsim.trace/1"

#: Every kind of operation, and the layer that it is.
OPERATIONS: Mapping[str, type[Layer]] = {
    "conv2d": Conv2d,
    "linear": Linear,
    "batch-norm": BatchNorm,
    "affine": Affine,
    "activation": Activation,
    "clamp": Clamp,
    "softmax": Softmax,
    "attention-scores": AttentionScores,
    "attention-mix": AttentionMix,
    "layer-norm": LayerNorm,
    "embedding": Embedding,
    "add-embedding": AddEmbedding,
    "class-token": ClassToken,
    "local-response-norm": LocalResponseNorm,
    "max-pool": MaxPool2d,
    "avg-pool": AvgPool2d,
    "global-avg-pool": GlobalAvgPool,
    "add": Add,
    "mul": Mul,
    "concat": Concat,
    "select": Select,
    "shortcut": Shortcut,
}

#: A size, or a place along an axis, of which -1 stands for zeros; what each may be is its layer's to say.
Whole = Annotated[int, Field(ge=-1, le=MOST_ALONG_AN_AXIS)]
Size = Annotated[int, Field(ge=1, le=MOST_ALONG_AN_AXIS)]
Width = Annotated[int, Field(ge=1, le=64)]
Name = Annotated[str, Field(pattern="^[A-Za-z0-9_/-]+$", max_length=1000)]
#: Text that stays in one line wherever it is printed.
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=10000)]
Total = Annotated[int, Field(ge=0, le=2**63 - 1)]
Step = Annotated[float, Field(ge=SMALLEST_SCALE, le=LARGEST_SCALE)]
Shape = tuple[Size, Size, Size]


class Record(BaseModel):
    """Base of all that a line holds: no unknown keys, every value of its type, no nan, no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def line(self) -> str:
        """Return the record as JSON, without what is left open."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class Scale(Record):
    """How a tensor's codes 0 .. 2**bits - 1 stand for real numbers: (code - zero) * scale."""

    scale: Step
    zero: int = Field(ge=0, lt=2**16)
    bits: int = Field(ge=1, le=16)

    def quantization(self) -> Quantization:
        """Return it as tensors are quantised; WorkloadError if no code is zero."""
        if self.zero >= 2**self.bits:
            raise WorkloadError(
                f"zero must be below {2**self.bits}, as codes have {self.bits} bit, got {self.zero}"
            )
        return Quantization(float(np.float32(self.scale)), self.zero, self.bits)


class Image(Record):
    """What operations read first: one image of (channels, height, width)."""

    name: Name
    shape: Shape
    output_scale: Scale | None = None


class Tensors(Record):
    """A safetensors file in the trace's folder: weights as `layer.parameter`, and `inputs` and `labels`."""

    file: Text
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Header(Record):
    """The first line.

    dataset : registered name of the data that the network was made for
    weight_bits, activation_bits : that a machine must compute with; any, where left out
    notes : what whoever wrote the file could not carry over, a sentence each
    """

    schema_: Literal["imcsim.trace/1"] = Field(alias="schema")
    name: Text
    input: Image
    dataset: Text | None = None
    tensors: Tensors | None = None
    weight_bits: Width | None = None
    activation_bits: Width | None = None
    notes: tuple[Text, ...] = ()


class OperationRecord(Record):
    """What all operations have; each kind adds its own attributes.

    inputs : names of what it reads, in lines before it; left out, the operation in the line before
    shape, macs : of one image's output; may be left out, and are checked where they are written
    weight_bits, activation_bits : in place of the header's
    output_scale, weight_scales : those to use as they are, one of an output channel
    """

    op: str
    name: Name
    inputs: tuple[Name, ...] = ()
    shape: Shape | None = None
    macs: Total | None = None
    weight_bits: Width | None = None
    activation_bits: Width | None = None
    output_scale: Scale | None = None
    weight_scales: tuple[Step, ...] | None = None

    def layer(self) -> Layer:
        """Return the layer that this is; WorkloadError for a window that cannot be."""
        return _built(OPERATIONS[self.op], self)  # type: ignore[no-any-return]


class Arrival(Record):
    """When an image is there, in cycles of the machine's reference clock."""

    cycle: int = Field(ge=0, le=MOST_CYCLES)


class Request(Record):
    """One image to be run; none arrives before the one in front of it."""

    request: Arrival


class Totals(Record):
    """How much a whole file holds."""

    operations: Total
    requests: Total


class End(Record):
    """The last line: a file that has lost its end is refused."""

    end: Totals


def operation_record(layer: Layer, **results: Any) -> OperationRecord:
    """Return a layer as an operation.

    results : what `OperationRecord` has besides
    raises : WorkloadError for a layer of a kind that is no operation, pydantic's ValidationError for
        attributes out of bounds
    """
    op = op_of(layer)
    values = {"op": op, "name": layer.name, "inputs": layer.inputs, **_attributes(layer), **results}
    return cast(OperationRecord, MODELS[op].model_validate(values, strict=False))


def op_of(layer: Layer) -> str:
    """Return which operation a layer is; WorkloadError if it is none."""
    for op, kind in OPERATIONS.items():
        if type(layer) is kind:
            return op
    raise WorkloadError(
        f"{layer.name}: a trace has no operation for {type(layer).__name__}; build it from other layers"
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a line."""
    operation: Any = Annotated[reduce(or_, (MODELS[op] for op in OPERATIONS)), Field(discriminator="op")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A line of a workload trace, {SCHEMA}",
        **TypeAdapter(reduce(or_, PLAIN.values()) | operation).json_schema(),
    }


def _own_fields(part: Any) -> tuple[tuple[str, Any, Any], ...]:
    """Return name, type and default, ... for none, of the fields that a layer or a window adds to `Layer`."""
    hints = get_type_hints(part)
    return tuple(
        (field.name, hints[field.name], ... if field.default is MISSING else field.default)
        for field in fields(part)
        if field.name not in ("name", "inputs")
    )


_FIELDS: Mapping[type[Any], tuple[tuple[str, Any, Any], ...]] = {
    part: _own_fields(part) for part in (*OPERATIONS.values(), Window)
}


def _declared(part: type[Any]) -> dict[str, Any]:
    """Return the attributes as pydantic declares them."""
    declared: dict[str, Any] = {}
    for name, hint, default in _FIELDS[part]:
        declared |= _declared(Window) if hint is Window else {name: (_bounded(hint), default)}
    return declared


def _attributes(part: Any) -> dict[str, Any]:
    """Return the attributes of a layer."""
    values: dict[str, Any] = {}
    for name, hint, _ in _FIELDS[type(part)]:
        value = getattr(part, name)
        values |= _attributes(value) if hint is Window else {name: value}
    return values


def _built(part: type[Any], record: OperationRecord) -> Any:
    """Return the layer, or the window, that has a record's attributes."""
    values = {
        name: _built(Window, record) if hint is Window else getattr(record, name)
        for name, hint, _ in _FIELDS[part]
    }
    return part(**values) if part is Window else part(name=record.name, inputs=record.inputs, **values)


def _bounded(hint: Any) -> Any:
    """Return a type whose numbers have bounds."""
    if hint is int:
        return Whole
    if get_origin(hint) is tuple:
        return tuple[tuple(_bounded(each) for each in get_args(hint))]  # type: ignore[misc]
    if isinstance(hint, UnionType):
        return reduce(or_, (_bounded(each) for each in get_args(hint)))
    return hint


#: The records that are no operations, by the key that only they have.
PLAIN: dict[str, type[Record]] = {"schema": Header, "request": Request, "end": End}
#: All of them; an operation's by its `op`.
MODELS: Mapping[str, type[Record]] = PLAIN | {
    op: create_model(
        layer.__name__,
        __base__=OperationRecord,
        __doc__=layer.__doc__,
        op=(Literal[op], ...),  # type: ignore[arg-type]
        **_declared(layer),
    )
    for op, layer in OPERATIONS.items()
}


def explain(kind: str, error: ValidationError) -> str:
    """Return the first problems that pydantic found in a record, in a few words."""
    return "; ".join(
        _problem(kind, each) for each in error.errors(include_url=False, include_context=False)[:3]
    )


def _problem(kind: str, problem: Mapping[str, Any]) -> str:
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"{kind} lacks {place!r}"
    if problem["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in MODELS[kind].model_fields.items()]
        hint = f"; {near_miss(place[:40], known)}" if len(problem["loc"]) == 1 else ""
        return f"{kind} takes no {shown(place)}{hint}"
    message = problem["msg"].removeprefix("Input ")
    return f"{place or kind}: {message[0].lower()}{message[1:]}, got {shown(problem['input'])}"


def shown(value: object) -> str:
    """Return a value that a user wrote, in one short line."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
