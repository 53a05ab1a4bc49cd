"""Positions with what the broker says of them, one by one or summed up. Pure: `now` comes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.dashboard_creator.list_models import PositionRow, Reconciled
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.values import ZERO

Document = Mapping[str, Any]
#: Of the parts of a sum the worst is what is said of it.
_WORST: Final = ("LOCKED", "DIFFERS", "UNKNOWN", "EQUAL")
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "strategy": ("strategy_id", "account_id", "instrument_key"),
    "account": ("account_id", "instrument_key"),
    "instrument": ("instrument_key",),
}


class Told(NamedTuple):
    """What brokers have said: by account, and by account and instrument key."""

    marks: Mapping[tuple[str, str], tuple[Decimal, datetime | None]]
    looks: Mapping[str, Document]
    locked: frozenset[tuple[str, str]]


def told_of(
    held: Iterable[Document], looks: Iterable[Document], locked: Iterable[tuple[str, str]]
) -> Told:
    """Stored answers by what they are of."""
    marks = {
        (row["_id"], Instrument.model_validate(each["instrument"]).key): (
            each["market_price"],
            row.get("as_of"),
        )
        for row in held
        for each in row.get("positions") or []
        if each.get("market_price") is not None
    }
    return Told(marks, {row["_id"]: row for row in looks}, frozenset(locked))


def position_row(document: Document, told: Told, *, now: datetime) -> PositionRow:
    """One stored position as a line."""
    known = {name: document[name] for name in Position.model_fields if name in document}
    position = Position.model_validate(known)
    key = position.instrument.key
    price, at = told.marks.get((position.account_id, key), (None, None))
    return PositionRow(
        strategy_id=position.strategy_id,
        account_id=position.account_id,
        instrument=position.instrument,
        instrument_key=key,
        quantity=position.quantity,
        average_price=position.average_price,
        deployed=position.deployed,
        mark_price=price,
        mark_at=at,
        mark_age_s=None if at is None else max(0.0, (now - at).total_seconds()),
        unrealized_pnl=_unrealized(position, price),
        realized_pnl=position.realized_pnl,
        commissions=position.commissions,
        reconciled=reconciled(position.account_id, key, told),
        updated_at=position.updated_at,
    )


def reconciled(account_id: str, instrument_key: str, told: Told) -> Reconciled:
    """Whether books and broker agree on an instrument, by the last look."""
    look = told.looks.get(account_id)
    if look is None or look.get("looked_at") is None:
        return Reconciled(state="UNKNOWN", sentence="nobody has compared it with the broker yet")
    for each in look.get("differences") or []:
        if Instrument.model_validate(each["instrument"]).key == instrument_key:
            is_locked = (account_id, instrument_key) in told.locked
            stopped = "; entries in it are stopped until they agree" if is_locked else ""
            words = f"ours {each['books']:f}, broker {each['broker']:f}{stopped}"
            return Reconciled(
                state="LOCKED" if is_locked else "DIFFERS",
                books=each["books"],
                broker=each["broker"],
                sentence=words,
                looked_at=look["looked_at"],
            )
    return Reconciled(state="EQUAL", looked_at=look["looked_at"])


def without_totals(row: PositionRow) -> PositionRow:
    """For those who may not know what others hold: the state without its numbers."""
    said = Reconciled(state=row.reconciled.state, looked_at=row.reconciled.looked_at)
    return row.model_copy(update={"reconciled": said})


def grouped(documents: Iterable[Document], by: str) -> list[list[Document]]:
    """Stored positions one by one, or together for each account, or instrument; in their order."""
    groups: dict[tuple[str, ...], list[Document]] = {}
    for document in documents:
        groups.setdefault(tuple(document[field] for field in _KEYS[by]), []).append(document)
    return [group for _, group in sorted(groups.items())]


def line_of(rows: Sequence[PositionRow], by: str) -> PositionRow:
    """One line of a group."""
    return rows[0] if by == "strategy" else _sum(rows, by)


def _sum(rows: Sequence[PositionRow], by: str) -> PositionRow:
    first = rows[0]
    deployed = sum((row.deployed for row in rows), ZERO)
    size = sum((abs(row.quantity) for row in rows), ZERO) * first.instrument.multiplier
    signs = {row.quantity > 0 for row in rows if row.quantity}
    gains = [row.unrealized_pnl for row in rows]
    oldest = min((row.mark_at for row in rows if row.mark_at), default=None)
    worst = min((row.reconciled for row in rows), key=lambda each: _WORST.index(each.state))
    return first.model_copy(
        update={
            "strategy_id": None,
            "account_id": first.account_id if by == "account" else None,
            "quantity": sum((row.quantity for row in rows), ZERO),
            "average_price": deployed / size if size and len(signs) == 1 else None,
            "deployed": deployed,
            "mark_price": first.mark_price if _same(row.mark_price for row in rows) else None,
            "mark_at": oldest,
            "mark_age_s": max((row.mark_age_s for row in rows if row.mark_age_s), default=None),
            "unrealized_pnl": None if None in gains else sum((g or ZERO for g in gains), ZERO),
            "realized_pnl": sum((row.realized_pnl for row in rows), ZERO),
            "commissions": sum((row.commissions for row in rows), ZERO),
            "reconciled": worst,
            "updated_at": max((row.updated_at for row in rows if row.updated_at), default=None),
            "strategies": tuple(sorted({row.strategy_id or "" for row in rows})),
        }
    )


def _same(values: Iterable[object]) -> bool:
    return len(set(values)) == 1


def _unrealized(position: Position, price: Decimal | None) -> Decimal | None:
    if not position.quantity:
        return ZERO
    return None if price is None else position.unrealized_pnl(price)
