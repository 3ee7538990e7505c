"""Networks in ONNX files: read, checked, translated. Needs the onnx package."""

from workloads.onnx_import.reader import read_onnx

__all__ = ["read_onnx"]
