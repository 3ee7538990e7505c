"""Tensors of a file: bounded before they are read, and read when somebody asks for them.

Data beside the model must lie in its folder, without links, and be as long as its tensor.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, numpy_helper

from simcore.errors import FileError, WorkloadError
from workloads.onnx_import.constants import MOST_NUMBERS, Constant


def holds_constant(node: NodeProto) -> bool:
    """Whether a node only gives a tensor that it holds."""
    return node.op_type == "Constant" and node.domain in ("", "ai.onnx")


def tensors_of(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """Yield the name and the tensor of every initializer and of every node that holds a constant.

    raises : WorkloadError for a node that holds text or a sparse tensor
    """
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if holds_constant(node) and node.output:
            for attribute in node.attribute:
                yield node.output[0], _of_attribute(attribute, node)


def _of_attribute(attribute: AttributeProto, node: NodeProto) -> TensorProto:
    """Return the tensor that an attribute of a Constant node stands for."""
    match attribute.name:
        case "value":
            return attribute.t
        case "value_float":
            return numpy_helper.from_array(np.array(attribute.f, np.float32))
        case "value_floats":
            return numpy_helper.from_array(np.array(attribute.floats, np.float32))
        case "value_int":
            return numpy_helper.from_array(np.array(attribute.i, np.int64))
        case "value_ints":
            return numpy_helper.from_array(np.array(attribute.ints, np.int64))
    raise WorkloadError(
        f"{node.name or node.output[0]} (Constant) holds a {attribute.name}; store it as a dense tensor of "
        "numbers"
    )


def constant_of(tensor: TensorProto, folder: Path, path: str | Path) -> Constant:
    """Return a tensor that is read when somebody asks for it, its size checked now."""
    shape = tuple(tensor.dims)
    if tensor.data_type not in onnx.helper.get_all_tensor_dtypes():
        raise FileError(f"{path}: tensor {tensor.name!r} is of no known type; export it anew")
    if min(shape, default=0) < 0 or prod(shape) > MOST_NUMBERS:
        raise FileError(
            f"{path}: tensor {tensor.name!r} claims shape {shape}, at most {MOST_NUMBERS} elements are "
            "allowed; store it smaller"
        )
    if tensor.data_location == TensorProto.EXTERNAL:
        data = _External.of(tensor, folder, path)
        return Constant(
            shape, lambda: _finite(_array(data.filled(tensor), path), tensor, path), in_memory=False
        )
    return Constant(shape, lambda: _array(tensor, path))


def _array(tensor: TensorProto, path: str | Path) -> NDArray[Any]:
    try:
        return numpy_helper.to_array(tensor)
    except Exception as error:  # whatever does not fit its shape and type
        raise FileError(
            f"{path}: tensor {tensor.name!r} does not hold what its shape and type claim ({error}); "
            "export it anew"
        ) from None


def _finite(array: NDArray[Any], tensor: TensorProto, path: str | Path) -> NDArray[Any]:
    """Return an array that holds neither nan nor infinity; FileError for others."""
    if not Constant.of(array).is_finite:
        raise FileError(f"{path}: tensor {tensor.name!r} holds nan or infinity; train the network anew")
    return array


@dataclass(frozen=True)
class _External:
    """Where in a file beside the model a tensor's bytes are."""

    file: Path
    offset: int
    length: int

    @classmethod
    def of(cls, tensor: TensorProto, folder: Path, path: str | Path) -> _External:
        """Return a tensor's place, checked.

        raises : FileError for places outside the model's folder, behind links, or beyond the file's end
        """
        given = {entry.key: entry.value for entry in tensor.external_data}
        location = given.get("location", "")
        file = folder / location
        try:
            status = os.lstat(file)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise FileError(
                f"{path}: data of tensor {tensor.name!r} is said to be in {location!r}: {said}; put that "
                "file beside the model"
            ) from None
        inside = os.path.realpath(file) == os.path.join(folder, os.path.normpath(location))
        outside = os.path.isabs(location) or ".." in Path(location).parts
        if outside or not inside or not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise FileError(
                f"{path}: data of tensor {tensor.name!r} is said to be in {location!r}; it must be a regular "
                "file in the model's folder, not a link"
            )
        needed = _bytes_of(tensor)
        try:
            offset = int(given.get("offset", 0))
            length = int(given.get("length", needed))
        except ValueError:
            offset = length = -1
        if offset < 0 or length != needed or offset + length > status.st_size:
            raise FileError(
                f"{path}: data of tensor {tensor.name!r}, {needed} bytes, is said to be "
                f"{given.get('length', needed)} bytes from byte {given.get('offset', 0)} of {location!r}, "
                f"which has {status.st_size}; export it anew"
            )
        return cls(file, offset, length)

    def filled(self, tensor: TensorProto) -> TensorProto:
        """Return `tensor` with its bytes."""
        with open(self.file, "rb") as stream:
            stream.seek(self.offset)
            content = stream.read(self.length)
        return TensorProto(dims=tensor.dims, data_type=tensor.data_type, name=tensor.name, raw_data=content)


def _bytes_of(tensor: TensorProto) -> int:
    """Return how many bytes a tensor's numbers take."""
    bits = 4 if tensor.data_type in (TensorProto.INT4, TensorProto.UINT4) else 8
    itemsize: int = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(-(-prod(tensor.dims) * itemsize * bits // 8))
