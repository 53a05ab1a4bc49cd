"""The top bar of every page: where we are, how trading is, what the fund is worth. Pure parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from services.dashboard_creator.models import Amount, View
from services.domain.risk import Control, Fund
from services.domain.values import Instant
from services.domain.words import TradingState

Document = Mapping[str, Any]


class Frame(View):
    """What every page shows on top.

    Attributes:
        environment: LIVE only in a system that was started for it.
        sentence: the state of trading in words: who stopped what, and why.
        equity: of all accounts of the environment; null where one is not known, or not yours.
        today_pnl: since the day's start (UTC), payments left out.
        stale: the oldest of the figures is older than Cerebro would trade on.
        oldest_account: which account the oldest figures are of.
        approvals: signals that wait for a person.
    """

    environment: Literal["PAPER", "LIVE"]
    trading_state: TradingState
    sentence: str
    equity: Amount | None = None
    today_pnl: Amount | None = None
    currency: str | None = None
    as_of: Instant | None = None
    age_s: float | None = None
    stale: bool = False
    oldest_account: str | None = None
    missing: str = ""
    incidents: int = 0
    dead_letters: int = 0
    approvals: int = 0
    server_time: Instant


class Counts(View):
    """What waits for a person."""

    incidents: int = 0
    dead_letters: int = 0
    approvals: int = 0


def today_pnl(fund: Fund, now: datetime) -> Decimal | None:
    """Gain in money since the day's start; None while nobody knows, or of another day."""
    marks = fund.marks
    if fund.equity is None or marks is None or marks.day != now.date().isoformat():
        return None
    base = marks.day_base if marks.day_base is not None else marks.day_start
    return marks.last - base


def state_in_words(state: TradingState, controls: Sequence[Control], locked: int) -> str:
    """How trading is, who set it, and what else is stopped."""
    said = {
        TradingState.ACTIVE: "trading is ACTIVE",
        TradingState.REDUCING: "trading is REDUCING: only what reduces risk goes out",
        TradingState.HALTED: "trading is HALTED: nothing goes out",
    }[state]
    everything = next((each for each in controls if each.scope == "GLOBAL"), None)
    if state is not TradingState.ACTIVE and everything is not None and everything.set_by:
        said += f", set by {everything.set_by}"
        said += f": {everything.reason}" if everything.reason else ""
    narrower = [
        each
        for each in controls
        if each is not everything
        and (each.state is not TradingState.ACTIVE or each.scale_ratio != 1)
    ]
    if narrower:
        said += f"; {len(narrower)} narrower {_plural('control', len(narrower))} in force"
    if locked:
        said += f"; entries are locked by {locked} {_plural('limit', locked)}"
    return said


def oldest(accounts: Sequence[Document]) -> tuple[str | None, datetime | None]:
    """The account whose figures are the oldest; one that never reported is older than any."""
    silent = [row["_id"] for row in accounts if row.get("as_of") is None]
    if silent:
        return silent[0], None
    row = min(accounts, key=lambda each: each["as_of"], default=None)
    return (row["_id"], row["as_of"]) if row else (None, None)


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"
