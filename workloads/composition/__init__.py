"""Networks composed: weights and inputs as codes of codebooks, products and functions as tables to look up.

Read in this order: `codebooks`, `block_graph` (what becomes of a network), `composing` (the loop),
`composition` (its result in real numbers, and its integers), `composed_network`, `composed_reference` (what
they compute).
"""

from workloads.composition.block_graph import Block, Composable, composable
from workloads.composition.codebooks import SIZES, CodebookTree
from workloads.composition.composed_network import (
    ABSENT,
    WIDTHS,
    ActivationTable,
    ComposedBlock,
    ComposedNetwork,
    Products,
    nearest_rows,
    wrapped,
)
from workloads.composition.composed_reference import ComposedReference
from workloads.composition.composing import ComposeOptions, compose
from workloads.composition.composition import Composition, Round
from workloads.composition.weight_codes import WeightCodes

__all__ = [
    "ABSENT",
    "SIZES",
    "WIDTHS",
    "ActivationTable",
    "Block",
    "CodebookTree",
    "Composable",
    "ComposeOptions",
    "ComposedBlock",
    "ComposedNetwork",
    "ComposedReference",
    "Composition",
    "Products",
    "Round",
    "WeightCodes",
    "composable",
    "compose",
    "nearest_rows",
    "wrapped",
]
