"""How long an RNA takes for one neuron, phase by phase: what is known of it without values.

Weights and inputs are then taken to be equally likely and independent. Codes of real networks fill some
buckets more than others, so that their counting takes longer.
"""

from __future__ import annotations

from typing import NamedTuple

from arch.lookup import expected_addends, expected_largest_bucket
from arch.machines.rapidnn.configuration import RapidnnConfig
from arch.mapping.stages import Stage
from workloads import AddNode, AvgPoolNode, MatrixNode, MaxPoolNode, TableNode
from workloads.composition.activation_tables import ROWS
from workloads.composition.block_graph import is_looked_up


class Phases(NamedTuple):
    """Cycles of an RNA, one phase behind the other.

    loading : candidates of a pool are written, or products that neurons of an RNA do not share
    counting : of inputs
    adding : of shifted products
    activating, encoding : searches
    """

    loading: int = 0
    counting: int = 0
    adding: int = 0
    activating: int = 0
    encoding: int = 0

    @property
    def cycles(self) -> int:
        """All of them."""
        return sum(self)


def looks_up(stage: Stage) -> bool:
    """Whether a stage's sums are looked up in a function."""
    return is_looked_up(next((n for n in (stage.head, *stage.after) if isinstance(n, TableNode)), None))


def expected_phases(config: RapidnnConfig, stage: Stage, *, encodes: bool) -> Phases:
    """Return the phases of one neuron of a stage, on average.

    encodes : whether its value becomes a code, which the network's output does not
    """
    head = stage.head
    activate = config.activation.search_cycles if looks_up(stage) else 0
    encode = config.encoding.search_cycles if encodes else 0
    if isinstance(head, MaxPoolNode):
        load = head.window.positions * config.rna.encoding.write_cycles
        return Phases(loading=load, encoding=config.pool_search_cycles)
    if isinstance(head, MatrixNode):
        bucket = expected_largest_bucket(head.rows, config.lanes)
        codes = config.weight_codes, config.input_codes
        operands = expected_addends(head.rows, *codes, signed=config.signed)
        add = config.addition_cycles(round(operands) + 1)  # and the bias
        return Phases(0, round(bucket), add, activate, encode)
    operands = 1
    if isinstance(head, AvgPoolNode):
        operands = head.window.positions
    elif isinstance(head, AddNode):
        operands = len(stage.operands)
    return Phases(0, 0, config.addition_cycles(int(operands)), activate, encode)


def table_bits(config: RapidnnConfig, stage: Stage, *, encodes: bool) -> int:
    """Return the bits of a neuron's tables: products or terms, function and next codebook."""
    head, inputs = stage.head, config.input_codes
    if isinstance(head, MaxPoolNode):
        return 0
    entries = config.weight_codes * inputs if isinstance(head, MatrixNode) else len(stage.operands) * inputs
    entries += 2 * ROWS if looks_up(stage) else 0
    return (entries + (inputs if encodes else 0)) * config.width
