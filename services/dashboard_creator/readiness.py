"""Whether an account is ready to trade: checks with a sentence and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from services.dashboard_creator.models import View
from services.domain.risk import RiskLock

Document = Mapping[str, Any]
State = Literal["GREEN", "AMBER", "RED"]
_ORDER = ("RED", "AMBER", "GREEN")
#: From this part of the equity on, margin leaves little room.
_MUCH_MARGIN = Decimal("0.8")


class Check(View):
    """One thing that must be so; `fix` is what a person does where it is not."""

    name: str
    state: State
    sentence: str
    fix: str = ""


class AccountReadiness(View):
    """An account with its checks; `state` is that of the worst."""

    account_id: str
    state: State
    checks: tuple[Check, ...]


class Calendar(NamedTuple):
    """What the calendar says of an account.

    Attributes:
        closed: why its exchange is closed today; None = it trades, or nobody knows.
        token_ended: whether what opens it has ended; None = it needs no token of the day.
        expiring: symbol and days left of what is held and ends soon.
    """

    closed: str | None = None
    token_ended: bool | None = None
    expiring: Sequence[tuple[str, int]] = ()


def account_readiness(
    account: Document,
    look: Document | None,
    locks: Iterable[RiskLock],
    *,
    now: datetime,
    max_age_seconds: float,
    calendar: Calendar | None = None,
) -> AccountReadiness:
    """All checks of one account.

    Args:
        account: its row.
        look: the last comparison of its books with the broker's; None = there was none.
        locks: those that hold now.
        now: when.
        max_age_seconds: of figures that Cerebro still trades on.
        calendar: what it says; None = it was not asked.
    """
    account_id = account["_id"]
    checks = (
        _logged_in(account),
        _fresh(account, now, max_age_seconds),
        _reconciled(look, now),
        _unlocked(account_id, locks),
        _margin(account),
        *(_days(account, calendar) if calendar else ()),
    )
    return AccountReadiness(account_id=account_id, state=worst(checks), checks=checks)


def worst(checks: Sequence[Check]) -> State:
    """The state of the worst check; GREEN where there is none."""
    return min((check.state for check in checks), key=_ORDER.index, default="GREEN")


def clock_check(skew: timedelta) -> Check:
    """Whether our clock and the store's agree; `skew` is how far ours is ahead."""
    milliseconds = round(skew / timedelta(milliseconds=1))
    size = abs(milliseconds)
    if size < 500:
        return Check(name="clock", state="GREEN", sentence=f"our clock is {milliseconds} ms off")
    return Check(
        name="clock",
        state="AMBER" if size < 5000 else "RED",
        sentence=f"our clock and the database's differ by {size} ms",
        fix="set the clock of both machines by NTP (timedatectl set-ntp true)",
    )


def _logged_in(account: Document) -> Check:
    error = account.get("poll_error")
    name = "broker"
    if error:
        since = f"{error['since']:%Y-%m-%d %H:%M} UTC"
        return Check(
            name=name,
            state="RED",
            sentence=f"the broker has not answered since {since}: {error['sentence']}",
            fix=f"log in at the broker, then python3 scripts/check_broker.py {account['_id']}",
        )
    if account.get("as_of") is None:
        return Check(
            name=name,
            state="RED",
            sentence="the broker has never answered",
            fix=f"python3 scripts/check_broker.py {account['_id']}",
        )
    return Check(name=name, state="GREEN", sentence="the broker answers")


def _fresh(account: Document, now: datetime, max_age_seconds: float) -> Check:
    as_of = account.get("as_of")
    if as_of is None:
        sentence = "there are no figures of the account yet, so entries are denied"
        return Check(name="data", state="RED", sentence=sentence, fix="see broker")
    age = max(0.0, (now - as_of).total_seconds())
    said = f"figures are {age:.0f} s old, entries want at most {max_age_seconds:.0f} s"
    if age > max_age_seconds:
        fix = "look at account_data below: is it up, does the broker answer?"
        return Check(name="data", state="RED", sentence=said, fix=fix)
    state: State = "AMBER" if age > max_age_seconds * 0.8 else "GREEN"
    return Check(name="data", state=state, sentence=said)


def _reconciled(look: Document | None, now: datetime) -> Check:
    name = "books"
    if look is None or look.get("looked_at") is None:
        return Check(
            name=name,
            state="AMBER",
            sentence="books and broker have not been compared yet",
            fix="execution does it once the broker answers",
        )
    ago = max(0.0, (now - look["looked_at"]).total_seconds())
    confirmed = [each for each in look.get("differences") or [] if each.get("confirmed")]
    if confirmed:
        words = ", ".join(each["instrument"]["symbol"] for each in confirmed)
        return Check(
            name=name,
            state="RED",
            sentence=f"books and broker differ in {words}; entries in it are stopped",
            fix="python3 scripts/books.py shows both sides and books what is missing",
        )
    if ago > 600:
        return Check(
            name=name,
            state="AMBER",
            sentence=f"books and broker agreed {ago / 60:.0f} min ago, and not since",
            fix="look at execution below: is it up?",
        )
    return Check(name=name, state="GREEN", sentence=f"books and broker agreed {ago:.0f} s ago")


def _unlocked(account_id: str, locks: Iterable[RiskLock]) -> Check:
    mine = [
        lock
        for lock in locks
        if lock.scope == "GLOBAL"
        or account_id in (lock.account_id, lock.scope_id if lock.scope == "ACCOUNT" else None)
    ]
    if not mine:
        return Check(name="locks", state="GREEN", sentence="nothing is locked")
    whole = any(lock.scope in ("GLOBAL", "ACCOUNT") for lock in mine)
    return Check(
        name="locks",
        state="RED" if whole else "AMBER",
        sentence="; ".join(f"{lock.sentence}, {lock.ends}" for lock in mine),
        fix="python3 scripts/limits.py lists locks, and resets one that a person must accept",
    )


def _margin(account: Document) -> Check:
    """How much of the equity margin takes already; unknown figures are the business of `data`."""
    name, equity, margin = "margin", account.get("equity"), account.get("initial_margin")
    if equity is None or margin is None or equity <= 0:
        known = equity is None or margin is None
        sentence = "margin is not known" if known else f"the equity is {equity}"
        return Check(
            name=name,
            state="AMBER" if known else "RED",
            sentence=f"{sentence}, so nothing more can be entered by it",
            fix=f"python3 scripts/check_broker.py {account['_id']}",
        )
    used = Decimal(margin) / Decimal(equity)
    said = f"margin takes {used:.0%} of the equity"
    if used < _MUCH_MARGIN:
        return Check(name=name, state="GREEN", sentence=said)
    fix = "close something, pay in, or lower max_margin_ratio (scripts/limits.py)"
    return Check(name=name, state="RED" if used >= 1 else "AMBER", sentence=said, fix=fix)


def _days(account: Document, calendar: Calendar) -> list[Check]:
    """Token, exchange and contracts, as far as the account has them."""
    checks = []
    if calendar.token_ended is not None:
        fix = f"python3 scripts/zerodha_login.py {account['_id']}" if calendar.token_ended else ""
        said = "today's log-in is missing" if calendar.token_ended else "the log-in is of today"
        state: State = "RED" if calendar.token_ended else "GREEN"
        checks.append(Check(name="token", state=state, sentence=said, fix=fix))
    if calendar.closed:
        fix = "nothing to do; what is sent meanwhile waits, or is refused by the broker"
        checks.append(Check(name="market", state="AMBER", sentence=calendar.closed, fix=fix))
    if calendar.expiring:
        words = ", ".join(f"{name} {_left(days)}" for name, days in calendar.expiring)
        over = any(days < 0 for _, days in calendar.expiring)
        fix = "roll or close it; of what has ended look at books and statement (scripts/books.py)"
        state = "RED" if over else "AMBER"
        checks.append(Check(name="contracts", state=state, sentence=words, fix=fix))
    return checks


def _left(days: int) -> str:
    if days < 0:
        return "has ended, and is in the books"
    return "ends today" if days == 0 else f"ends in {days} days"
