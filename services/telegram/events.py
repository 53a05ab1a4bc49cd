"""From stored documents to events: what happened, in words for a person. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.domain.instruments import Instrument
from services.domain.kills import KillRun, KillStage, RunState
from services.domain.notifications import (
    CRITICAL_INCIDENTS,
    CRITICAL_KINDS,
    Event,
    EventKind,
)
from services.domain.risk import scope_in_words
from services.domain.signals import plain
from services.domain.words import Scope

Document = Mapping[str, Any]
#: Kind of an order's bad end.
BAD_ENDS: Final = {
    "DENIED": EventKind.DENIAL,
    "REJECTED": EventKind.REJECTION,
    "EXPIRED": EventKind.EXPIRY,
}
#: Acts that are told of, by what the audit log calls them.
ACTS: Final = {
    "CONTROL_SET": EventKind.CONTROL_CHANGED,
    "KILL_REQUESTED": EventKind.KILL_REQUESTED,
    "ALLOCATION_PROPOSED": EventKind.ALLOCATION_PROPOSED,
    "ALLOCATION_APPROVED": EventKind.ALLOCATION_APPROVED,
}
#: A kill run that is not proven is told as that, not as an incident too.
_TOLD_OTHERWISE: Final = frozenset({"KILL_INCOMPLETE"})
_LONG: Final = 1000


class Facts(NamedTuple):
    """What documents only name.

    Attributes:
        modes: PAPER or LIVE by account.
        instruments: by client_order_id, and by instrument key.
    """

    modes: Mapping[str, str]
    instruments: Mapping[str, Instrument]

    def account(self, account_id: str) -> str:
        """An account with its type: `Mock-1 (PAPER)`."""
        return f"{account_id} ({self.modes.get(account_id, 'type unknown')})"

    def instrument(self, row: Document) -> str:
        """Name of what a row is about."""
        key = str(row.get("instrument_key", "an instrument"))
        found = self.instruments.get(str(row.get("client_order_id"))) or self.instruments.get(key)
        return in_words(found) if found else key


def in_words(instrument: Instrument) -> str:
    """An instrument as people name it: `AAPL`, `SPX 2026-12-18 6000 C`."""
    parts = [instrument.symbol, instrument.expiry, instrument.right]
    if instrument.strike is not None:
        parts.insert(2, plain(instrument.strike))
    return " ".join(str(part) for part in parts if part is not None)


def of_incident(row: Document) -> list[Event]:
    """An incident that was opened, and that it was cleared."""
    kind, clearings = str(row["kind"]), int(row.get("clearings", 0))
    if kind in _TOLD_OTHERWISE:
        return []
    is_open = row["status"] == "OPEN"
    # Openings count from 0: one that was cleared since then is the one before.
    opening = clearings if is_open else max(clearings - 1, 0)
    told = [
        Event(
            event_id=f"INCIDENT_OPENED|{row['_id']}|{opening}",
            kind=EventKind.INCIDENT_OPENED,
            at=row["last_seen_at"],
            subject=f"of kind {kind}",
            title=f"Incident {kind}: {row['key']}",
            text=_cut(row["sentence"]),
            link="/",
            critical=kind in CRITICAL_INCIDENTS,
        )
    ]
    if not is_open:
        told.append(
            Event(
                event_id=f"INCIDENT_CLEARED|{row['_id']}|{opening}",
                kind=EventKind.INCIDENT_CLEARED,
                at=row.get("cleared_at") or row["last_seen_at"],
                subject=f"of kind {kind}",
                title=f"Cleared: {kind}: {row['key']}",
                link="/",
            )
        )
    return told


def of_fill(row: Document, facts: Facts) -> list[Event]:
    """An execution that counts; what the broker took back is told as that."""
    busted = bool(row.get("busted"))
    if row.get("void") and not busted:
        return []
    strategy = str(row["strategy_id"])
    what = f"{row['side']} {plain(row['quantity'])} {facts.instrument(row)}"
    price = plain(row["price"])
    gain: Decimal = row.get("realized_pnl") or Decimal(0)
    return [
        Event(
            event_id=f"FILL|{row['_id']}",
            kind=EventKind.FILL,
            at=row["occurred_at"],
            subject=f"in {strategy}",
            title=(
                f"{strategy}: {'taken back: ' if busted else ''}{what} at {price} "
                f"in {facts.account(row['account_id'])}"
            ),
            text=f"realized {gain:+f}" if gain else "",
            link=_signal_link(row.get("signal_id")),
            strategy_id=strategy,
        )
    ]


def of_signal(row: Document) -> list[Event]:
    """A signal that Cerebro denied, or that came too late."""
    decision = row.get("decision") or {}
    if decision.get("outcome") != "DENIED":
        return []  # how its orders ended is told of them
    kind = EventKind.EXPIRY if row["status"] == "EXPIRED" else EventKind.DENIAL
    strategy, asked = str(row["strategy_id"]), _asked(row)
    return [
        Event(
            event_id=f"{kind}|{row['_id']}",
            kind=kind,
            at=decision["decided_at"],
            subject=f"in {strategy}",
            title=f"{strategy}: {asked} denied: {decision.get('code') or 'no code'}",
            text=_cut(decision.get("reason", "")),
            link=_signal_link(row["_id"]),
            strategy_id=strategy,
        )
    ]


def _asked(row: Document) -> str:
    """Intent and legs of a signal: `ENTRY BUY 10 AAPL`."""
    signal = row.get("signal") or {}
    legs = [_leg(leg) for leg in signal.get("legs", ())]
    return " ".join([str(row.get("intent") or "signal"), "; ".join(legs)]).strip()


def _leg(leg: Document) -> str:
    instrument = Instrument.model_validate(leg["instrument"])
    quantity = "" if leg.get("quantity") is None else plain(leg["quantity"])
    return " ".join(part for part in (leg.get("side"), quantity, in_words(instrument)) if part)


def of_order(row: Document, facts: Facts) -> list[Event]:
    """An order that ended badly."""
    kind = BAD_ENDS.get(row["status"])
    if kind is None:
        return []
    order, strategy = row["order"], str(row["strategy_id"])
    what = f"{order['side']} {plain(order['quantity'])} {facts.instrument(row)}"
    by = {EventKind.DENIAL: "denied", EventKind.EXPIRY: "expired"}.get(kind, "rejected by broker")
    return [
        Event(
            event_id=f"{kind}|{row['_id']}",
            kind=kind,
            at=row["updated_at"],
            subject=f"in {strategy}",
            title=f"{strategy}: {what} {by} in {facts.account(row['account_id'])}",
            text=_cut(row.get("text", "")),
            link=_signal_link(row.get("signal_id")),
            strategy_id=strategy,
        )
    ]


def of_approval(row: Document) -> list[Event]:
    """A signal that waits for a person's word."""
    if row.get("status") != "WAITING":
        return []
    strategy = str(row.get("strategy_id", "a strategy"))
    expires_at = row.get("expires_at")
    until = f"until {expires_at:%H:%M:%S} UTC" if isinstance(expires_at, datetime) else ""
    return [
        Event(
            event_id=f"APPROVAL_WAITING|{row['_id']}",
            kind=EventKind.APPROVAL_WAITING,
            at=row["asked_at"],
            subject=f"of {strategy}",
            title=f"{strategy}: a signal waits for approval {until}".rstrip(),
            text=_cut(f"{row.get('sentence', '')}\n/approve answers it.".strip()),
            link="/approvals",
            strategy_id=strategy,
            approval_of=str(row["_id"]),
        )
    ]


def of_kill(run: KillRun) -> list[Event]:
    """A kill that the broker has proven, or has not in time."""
    if run.stage is KillStage.REDUCE or run.state not in {RunState.DONE, RunState.INCOMPLETE}:
        return []
    proven = run.state is RunState.DONE
    kind = EventKind.KILL_PROVEN if proven else EventKind.KILL_NOT_PROVEN
    took = f" in {run.took_seconds:.1f} s" if run.took_seconds is not None else ""
    how = f"proven by the broker{took}" if proven else "NOT proven in time; it is worked on"
    return [
        Event(
            event_id=f"{kind}|{run.run_id}",
            kind=kind,
            at=run.ended_at or run.due_at,
            subject="of kills",
            title=f"{run.in_words}: {how}",
            text=_cut("\n".join(kill_lines(run))),
            link="/risk",
            critical=kind in CRITICAL_KINDS,
        )
    ]


def kill_lines(run: KillRun) -> list[str]:
    """How far a kill has come, a line for each account: orders and positions until now."""
    lines = []
    for account in run.accounts:
        orders = f"orders {len(account.asked)} → {_left(account.orders_left)}"
        positions = ""
        if run.stage is KillStage.FLATTEN:
            closings = len({each.symbol for each in account.closings})
            positions = f", positions {closings} → {_left(account.positions_left)}"
        trouble = f" ({account.trouble})" if account.trouble else ""
        lines.append(f"{account.account_id}: {orders}{positions}, {account.state}{trouble}")
        lines += [f"  remains: {each.what}: {each.why}" for each in account.remaining]
    return lines or ["no account is in its scope"]


def _left(number: int | None) -> str:
    return "not known" if number is None else str(number)


def of_act(row: Document) -> list[Event]:
    """What a person did, from the audit log."""
    kind = ACTS.get(row["what"])
    if kind is None:
        return []
    facts = row.get("facts") or {}
    title, text = _ACTS[kind](facts)
    return [
        Event(
            event_id=f"{kind}|{row['_id']}",
            kind=kind,
            at=row["recorded_at"],
            subject=f"by {row['by']}",
            title=f"{title}, by {row['by']}",
            text=_cut(text),
            link="/allocations" if "ALLOCATION" in kind else "/risk",
        )
    ]


def _control(facts: Document) -> tuple[str, str]:
    after = facts.get("after") or {}
    words = [str(after.get("trading_state", ""))]
    if after.get("override", "NONE") != "NONE":
        words.append(f"override {after['override']}")
    if after.get("scale_ratio", 1) != 1:
        words.append(f"entries × {plain(after['scale_ratio'])}")
    return f"{_scope(facts)} is {', '.join(words)}", str(after.get("reason", ""))


def _kill(facts: Document) -> tuple[str, str]:
    return f"Kill requested: {facts.get('stage')} {_scope(facts)}", str(facts.get("reason", ""))


def _scope(facts: Document) -> str:
    return scope_in_words(Scope(facts.get("scope", Scope.GLOBAL)), str(facts.get("scope_id", "")))


def _proposed(facts: Document) -> tuple[str, str]:
    return f"Allocation proposed: {facts.get('proposal_id', '')}", str(facts.get("reason", ""))


def _approved(facts: Document) -> tuple[str, str]:
    title = f"Allocation approved: version {facts.get('version', '')}"
    return title, str(facts.get("approved_because", ""))


_ACTS: Final = {
    EventKind.CONTROL_CHANGED: _control,
    EventKind.KILL_REQUESTED: _kill,
    EventKind.ALLOCATION_PROPOSED: _proposed,
    EventKind.ALLOCATION_APPROVED: _approved,
}


def of_report(row: Document, at: datetime) -> list[Event]:
    """The report of a day."""
    return [
        Event(
            event_id=f"DAILY_REPORT|{row['_id']}",
            kind=EventKind.DAILY_REPORT,
            at=at,
            subject="",
            title=f"Report of {row['_id']}",
            text=str(row.get("text", "")),
            results_text=_results(row),
            link="/",
        )
    ]


def _results(row: Document) -> str:
    """The day in percent."""
    figures = (row.get("figures") or {}).get("figures") or {}
    lines = []
    for name, field, form in _RESULTS:
        ratio = figures.get(field)
        lines.append(f"{name}: {'not known' if ratio is None else format(ratio, form)}")
    return "\n".join(lines)


_RESULTS: Final = (
    ("Day", "today_ratio", "+.2%"),
    ("Month", "mtd_ratio", "+.2%"),
    ("Year", "ytd_ratio", "+.2%"),
    ("Below the peak", "drawdown_ratio", ".2%"),
)


def of_service(name: str, *, up: bool, since: datetime, detail: str = "") -> Event:
    """A service that does not answer any more, or does again."""
    kind = EventKind.SERVICE_UP if up else EventKind.SERVICE_DOWN
    state = "is up again" if up else "is down"
    return Event(
        event_id=f"{kind}|{name}|{int(since.timestamp() * 1000)}",
        kind=kind,
        at=since,
        subject="",
        title=f"{name} {state} since {since:%H:%M:%S} UTC",
        text=_cut(detail),
        link="/system",
        critical=kind in CRITICAL_KINDS,
    )


def _signal_link(signal_id: object) -> str:
    return f"/signals/{signal_id}" if signal_id else ""


def _cut(text: object) -> str:
    whole = str(text)
    return whole if len(whole) <= _LONG else f"{whole[: _LONG - 1]}…"
