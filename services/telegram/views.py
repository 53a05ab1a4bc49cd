"""Answers of the commands that only read: short lines for a telephone, PAPER or LIVE named."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.common.controls import controls, trading_state
from services.common.limits import LIMIT_NAMES, limit_sets
from services.common.locks import locks
from services.common.store import Document, Store
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.marks import daily_pnl
from services.domain.notifications import Recipient
from services.domain.risk import Control, scope_in_words
from services.domain.signals import plain
from services.domain.words import Override, TradingState
from services.telegram.events import in_words
from services.telegram.lookups import Lookups, account_type, age_in_words, marks_of
from services.telegram.replies import Reply, reply

_MOST_ROWS: Final = 30
_SIGNALS: Final = 10


class Views:
    """Answers to whoever may ask.

    Args:
        store: the database.
        mode: PAPER or LIVE: of the system.
    """

    def __init__(self, store: Store, mode: str) -> None:
        self._store = store
        self._lookups = Lookups(store)
        self._mode = mode

    def title(self, words: str) -> str:
        """A title with the mode before it."""
        return f"{self._mode} · {words}"

    def status(self, _who: Recipient, now: datetime) -> Reply:
        """All that matters on one screen."""
        accounts = self._lookups.accounts()
        oldest = _oldest(accounts)
        incidents = self._lookups.incidents(_MOST_ROWS)
        down = self._lookups.services_down()
        lines = [
            f"Trading is {trading_state(self._store)}",
            *(f"  {control_line(each)}" for each in controls(self._store) if _holds_back(each)),
            *(f"  locked: {lock.sentence}" for lock in locks(self._store, now)),
            f"Services: {'down: ' + ', '.join(down) if down else 'all answer'}",
            f"Accounts: {_accounts_in_words(accounts)}; figures {age_in_words(oldest, now)}",
            f"Open positions: {len(self._lookups.positions(None))}",
            f"Approvals waiting: {len(self._lookups.approvals_waiting(_MOST_ROWS))}",
            f"Open incidents: {len(incidents)}",
            *(f"  {row['kind']}: {row['sentence'][:200]}" for row in incidents[:5]),
        ]
        return reply(self.title("Status"), lines)

    def signals(self, who: Recipient, _now: datetime) -> Reply:
        """The last signals."""
        rows = self._lookups.signals(who.strategies, _SIGNALS)
        return reply(self.title("Signals"), map(_signal_line, rows) if rows else ["none yet"])

    def positions(self, who: Recipient, _now: datetime) -> Reply:
        """What is open."""
        modes = self._lookups.modes()
        found = self._lookups.positions(who.strategies)
        lines = [position_line(each, modes) for each in found]
        return reply(self.title(f"{len(found)} open positions"), lines or ["nothing is open"])

    def pnl(self, who: Recipient, now: datetime) -> Reply:
        """What today has brought."""
        lines = [] if who.strategies is not None else [*self._account_pnl(now), ""]
        realized = self._lookups.realized_today(who.strategies, now)
        lines.append("Realized today (UTC), gross of commissions:")
        lines += [
            f"{strategy}: {amount:+,f} {currency}"
            for (strategy, currency), amount in sorted(realized.items())
        ] or ["nothing was closed"]
        return reply(self.title("P&L"), lines)

    def _account_pnl(self, now: datetime) -> Iterable[str]:
        yield "Equity since midnight UTC, payments left out:"
        for row in self._lookups.accounts():
            marks = marks_of(row)
            gain = daily_pnl(marks, now) if marks else None
            known = "not known" if gain is None else f"{gain:+,f} {row.get('currency', '')}"
            yield f"{row['_id']} ({account_type(row)}): {known}"

    def orders(self, who: Recipient, _now: datetime) -> Reply:
        """Orders that are not at their end."""
        modes = self._lookups.modes()
        rows = self._lookups.working_orders(who.strategies, _MOST_ROWS)
        lines = [_order_line(row, modes) for row in rows]
        return reply(self.title("Working orders"), lines or ["none"])

    def accounts(self, _who: Recipient, now: datetime) -> Reply:
        """Accounts with their figures and their age."""
        lines = []
        for row in self._lookups.accounts():
            currency = row.get("currency", "")
            lines += [
                f"{row['_id']} · {account_type(row)} · {row.get('broker', '')}",
                f"  equity {_money(row.get('equity'))} {currency}, available "
                f"{_money(row.get('available_funds'))}, margin {_money(row.get('initial_margin'))}",
                f"  {age_in_words(row.get('as_of'), now)}",
            ]
        return reply(self.title("Accounts"), lines or ["none"])

    def limits(self, _who: Recipient, now: datetime) -> Reply:
        """Limits of every scope, and the locks that hold."""
        lines = [f"LOCKED {lock.sentence}, {lock.ends}" for lock in locks(self._store, now)]
        for limits in limit_sets(self._store):
            lines.append(scope_in_words(limits.scope, limits.scope_id))
            lines += [
                f"  {name} = {value}"
                for name in LIMIT_NAMES
                if name in limits.model_fields_set and (value := getattr(limits, name)) is not None
            ]
        return reply(self.title("Limits"), lines or ["no limits are set, and no locks hold"])


def _oldest(accounts: list[Document]) -> datetime | None:
    """Of the active accounts; None where one has never reported."""
    active = [row for row in accounts if row.get("status", "ACTIVE") == "ACTIVE"]
    ages: list[datetime] = [row["as_of"] for row in active if row.get("as_of") is not None]
    return min(ages) if ages and len(ages) == len(active) else None


def control_line(control: Control) -> str:
    """A switch and its override: state, scope, who and why."""
    override = "" if control.override is Override.NONE else f" (override {control.override})"
    scale = "" if control.scale_ratio == 1 else f", entries × {plain(control.scale_ratio)}"
    return f"{control.state}{override}{scale}: {control.in_words}"


def position_line(position: Position, modes: dict[str, str]) -> str:
    """One position: `SPX_1-D_Opt: +17 AAPL at 150.02 in Mock-1 (PAPER)`."""
    mode = modes.get(position.account_id, "type unknown")
    return (
        f"{position.strategy_id}: {position.quantity:+f} {in_words(position.instrument)} "
        f"at {plain(position.average_price)} in {position.account_id} ({mode})"
    )


def _holds_back(control: Control) -> bool:
    return control.state is not TradingState.ACTIVE or control.scale_ratio != 1


def _accounts_in_words(accounts: list[Document]) -> str:
    found = [account_type(row) for row in accounts]
    return ", ".join(f"{found.count(each)} {each}" for each in sorted(set(found))) or "none"


def _signal_line(row: Document) -> str:
    legs = []
    for leg in (row.get("signal") or {}).get("legs", ()):
        instrument = in_words(Instrument.model_validate(leg["instrument"]))
        quantity = "" if leg.get("quantity") is None else plain(leg["quantity"])
        legs.append(" ".join(part for part in (leg.get("side"), quantity, instrument) if part))
    code = (row.get("decision") or {}).get("code")
    what = " ".join(part for part in (row.get("intent"), "; ".join(legs)) if part)
    why = f" ({code})" if code else ""
    return f"{row['received_at']:%d %b %H:%M:%S} {row['strategy_id']}: {what} {row['status']}{why}"


def _order_line(row: Document, modes: dict[str, str]) -> str:
    order = row["order"]
    instrument = in_words(Instrument.model_validate(order["instrument"]))
    filled = f", {plain(row['filled_quantity'])} filled" if row.get("filled_quantity") else ""
    return (
        f"{row['status']} {order['side']} {plain(order['quantity'])} {instrument}{filled} "
        f"of {row['strategy_id']} in {row['account_id']} "
        f"({modes.get(row['account_id'], 'type unknown')})"
    )


def _money(amount: Decimal | None) -> str:
    return "not known" if amount is None else f"{amount:,.2f}"
