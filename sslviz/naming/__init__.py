"""Click to label: a person names a few images, a probe on frozen features proposes names for the rest.

The names are kept beside the set and are not its labels until somebody says so. Numpy alone, and quick enough
for a server that answers each click.
"""

from __future__ import annotations

from sslviz.naming.asking import least_certain, spread, surest
from sslviz.naming.export import Brought, labels, read_table, table
from sslviz.naming.given import Names, clean, forget, give, read, undo
from sslviz.naming.probe import Proposals, Space, propose
from sslviz.naming.worth import Truth, Worth, replayed, simulated, truth

__all__ = [
    "Brought",
    "Names",
    "Proposals",
    "Space",
    "Truth",
    "Worth",
    "clean",
    "forget",
    "give",
    "labels",
    "least_certain",
    "propose",
    "read",
    "read_table",
    "replayed",
    "simulated",
    "spread",
    "surest",
    "table",
    "truth",
    "undo",
]
