"""Networks prepared offline: brought into a form that some machines compute on, and kept in files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from workloads.network import Network


@dataclass(frozen=True, eq=False)
class PreparedNetwork:
    """Base of all forms; a machine says which it reads.

    kind : what a form is called, with its article
    network : its structure; with weights where the form amounts to some, so that any machine can compute them
    """

    kind: ClassVar[str]

    network: Network
