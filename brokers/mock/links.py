"""How orders hang together at the mock broker: OCO groups, guards of an entry, legs of a combo."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from brokers.mock.stored import StoredOrder
from services.domain.values import ZERO


def siblings_of(stored: StoredOrder, working: Iterable[StoredOrder]) -> list[StoredOrder]:
    """The other working orders of its OCO group."""
    group = stored.standing.group
    if group is None:
        return []
    return [other for other in working if other.standing.group == group and other is not stored]


def guards_of(entry: StoredOrder, working: Iterable[StoredOrder]) -> list[StoredOrder]:
    """The working orders that guard it."""
    return [other for other in working if other.standing.entry == entry.number]


def legs_of(stored: StoredOrder, working: Iterable[StoredOrder]) -> list[StoredOrder]:
    """The other working legs of its combo."""
    combo = stored.standing.combo
    if combo is None:
        return []
    return [other for other in working if other.standing.combo == combo and other is not stored]


def alive(stored: StoredOrder, entry: StoredOrder | None) -> Decimal:
    """How much of an order may fill now: of a guard no more than its entry has filled.

    What fills of a guard's OCO group has closed that much of the entry already.
    """
    standing = stored.standing
    if entry is None:
        return standing.left
    opened = entry.standing.filled - standing.taken - standing.filled
    return max(min(standing.left, opened), ZERO)
