"""What is told of orders and fills in our words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from brokers.broker import OpenOrder
from brokers.ibkr.api import Contract
from brokers.ibkr.orders import kind_of, terms_of
from brokers.ibkr.tracks import Fill, Part, Track, filled_of, status_of
from services.domain.instruments import Instrument
from services.domain.orders import Execution, OrderReport, OrderTerms
from services.domain.values import ZERO
from services.domain.words import OrderStatus

_log = logging.getLogger(__name__)
#: What a contract is called in our books.
Names = Callable[[Contract], Instrument]
WORKING: Final = frozenset({OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED})


def reports_of(track: Track, names: Names, now: float) -> list[OrderReport]:
    """A report for each order of ours that this is; fills that wait for their commission are not
    in it yet."""
    return [report_of(track, part, names, now) for part in track.parts()]


def report_of(track: Track, part: Part, names: Names, now: float) -> OrderReport:
    """How one part of an order stands."""
    executions = _executions(track, part, names, now)
    return OrderReport(
        client_order_id=part.client_order_id,
        broker_order_id=str(track.perm_id) if track.perm_id else None,
        status=status_of(track, part),
        filled_quantity=filled_of(track, part),
        executions=executions,
        terms=_terms(track, part),
        text=_text(track),
        occurred_at=executions[-1].occurred_at if executions else track.changed_at,
    )


def _executions(track: Track, part: Part, names: Names, now: float) -> tuple[Execution, ...]:
    """Of each fill the last telling that can be told."""
    last: dict[str, Fill] = {}
    for fill in track.tellings(part):
        if fill.ripe(now):
            last[fill.execution_id] = fill
    ordered = sorted(last.values(), key=lambda each: (each.occurred_at, each.arrived_at))
    return tuple(execution_of(each, part, names) for each in ordered)


def execution_of(fill: Fill, part: Part, names: Names) -> Execution:
    """One telling of one fill, as it is told from now on."""
    if fill.commission is None:
        fill.told_bare = True
    instrument = names(fill.contract)
    return Execution(
        execution_id=fill.execution_id,
        client_order_id=part.client_order_id,
        instrument=instrument,
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        commission=fill.commission or ZERO,
        commission_currency=fill.currency or instrument.currency,
        revision=fill.revision,
        busted=fill.busted,
        occurred_at=fill.occurred_at,
    )


def all_executions(tracks: Iterable[Track], names: Names, now: float) -> list[Execution]:
    """Every telling of every fill that can be told, oldest first."""
    found = [
        (fill.occurred_at, fill.arrived_at, execution_of(fill, part, names))
        for track in tracks
        for part in track.parts()
        for fill in track.tellings(part)
        if fill.ripe(now)
    ]
    found.sort(key=lambda each: (*each[:2], each[2].revision))
    return [execution for _, _, execution in found]


def open_orders_of(track: Track, names: Names, now: float) -> list[OpenOrder]:
    """Those parts of an order that work."""
    return [
        OpenOrder(
            report=report,
            instrument=names(part.contract),
            side=part.side,
            order_type=kind_of(track.order),
        )
        for part, report in zip(track.parts(), reports_of(track, names, now), strict=True)
        if report.status in WORKING
    ]


def _terms(track: Track, part: Part) -> OrderTerms | None:
    terms = terms_of(track.order, filled_of(track, part))
    if terms is None or not track.is_combo:
        return terms
    # A combo has one price for all: no leg has a price of its own.
    return OrderTerms(quantity=terms.quantity * part.ratio)


def _text(track: Track) -> str:
    if track.refusal is not None:
        return f"{track.refusal.code}: {track.refusal.text}"
    if track.word == "Inactive":
        return track.note or f"IB calls it inactive: refused, or held {track.held}".strip()
    return track.note
