"""The gateway's numbers of what the engine below it calls `MOCK-7` and `MOCK-7.2`, both ways.

Executions: `0000000a.00000002.01.01` is order 10, its fill 2; the third part is 01 but for legs of
a combo (02, 03, …); the last is 01 as first told, 02 once corrected.
"""

from __future__ import annotations

_PERM_ID = 1_000_000_000
_PREFIX = "MOCK-"


def number_of(broker_order_id: str) -> int:
    """The engine's number of an order."""
    return int(broker_order_id.removeprefix(_PREFIX))


def perm_id_of(broker_order_id: str) -> int:
    """What TWS calls the order all its life."""
    return _PERM_ID + number_of(broker_order_id)


def order_of_perm_id(perm_id: int | str) -> str:
    """The engine's name of an order; for tests that hold what an adapter has said."""
    return f"{_PREFIX}{int(perm_id) - _PERM_ID}"


def exec_id_of(execution_id: str, revision: int, part: int = 1) -> str:
    """What TWS calls a fill, as it stands after so many corrections."""
    order, _, fill = execution_id.partition(".")
    return f"{number_of(order):08x}.{int(fill):08x}.{part:02d}.{revision + 1:02d}"


def order_of_execution(execution_id: str) -> str:
    """The engine's name of the order that a fill is of."""
    return execution_id.partition(".")[0]


def fill_of_exec_id(exec_id: str) -> str:
    """The engine's name of a fill; takes an id with or without the part that corrections change."""
    order, fill, *_ = exec_id.split(".")
    return f"{_PREFIX}{int(order, 16)}.{int(fill, 16)}"
