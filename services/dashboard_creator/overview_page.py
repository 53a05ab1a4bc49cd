"""The overview of what was loaded: figures, curve, strategies, needs. Pure: `now` comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.dashboard_creator.overview_models import (
    Figures,
    Need,
    NeedKind,
    Needs,
    OverviewPoint,
    Range,
)
from services.dashboard_creator.road import in_words
from services.domain.accounts import AccountSnapshot
from services.domain.marks import daily_pnl, day_open, drawdown_ratio
from services.domain.performance import Day, drawdowns, index_of, known, period_return
from services.domain.rates import rate_to
from services.domain.risk import Fund
from services.domain.values import ZERO
from services.domain.words import AccountType, ActiveStatus

_RATIO: Final = Decimal("0.000001")
MOST_NEEDS: Final = 50
_DAYS: Final = {Range.DAY: 1, Range.WEEK: 7, Range.MONTH: 31}


class FundDays(NamedTuple):
    """The fund's days as stored, oldest first, and their returns."""

    rows: Sequence[Mapping[str, Any]]
    days: Sequence[Day]


def first_day(span: Range, now: datetime) -> date:
    """Where a range begins."""
    if span is Range.ALL:
        return date.min
    if span is Range.YEAR:
        return date(now.year, 1, 1)
    return (now - timedelta(days=_DAYS[span])).date()


def main_type(accounts: Sequence[AccountSnapshot]) -> AccountType:
    """The fund that is meant: real money, where there is any."""
    live = any(
        each.account_type is AccountType.LIVE and each.status is ActiveStatus.ACTIVE
        for each in accounts
    )
    return AccountType.LIVE if live else AccountType.PAPER


def account_rate(
    accounts: Mapping[str, AccountSnapshot], account_id: str, source: str, target: str
) -> Decimal | None:
    """What one unit of a currency is worth in another, as an account's broker has named it."""
    if source == target:
        return Decimal(1)
    account = accounts.get(account_id)
    if account is None:
        return None
    own = Decimal(1) if source == account.currency else account.fx_rates.get(source)
    known_accounts = [each for each in accounts.values() if each.status is ActiveStatus.ACTIVE]
    onward = rate_to(target, account, known_accounts)
    return None if own is None or onward is None else own * onward


class Terms(NamedTuple):
    """How figures are made.

    Attributes:
        margin_limit: what share of equity may be in use as margin; None = no limit.
        max_age_seconds: from which age on figures are stale.
    """

    account_type: AccountType
    margin_limit: Decimal | None
    max_age_seconds: float
    now: datetime


def figures_of(
    fund: Fund | None,
    days: Sequence[Day],
    accounts: Sequence[AccountSnapshot],
    terms: Terms,
) -> Figures:
    """What stands on top; a fund of which one account is not known has no equity."""
    account_type, margin_limit, max_age_seconds, now = terms
    if fund is None:
        why = "no account has been read yet"
        return Figures(account_type=account_type, currency="USD", missing=why)
    marks, equity = fund.marks, fund.equity
    today = daily_pnl(marks, now) if marks else None
    base = day_open(marks) if marks else ZERO
    margin = _margin(accounts, account_type, fund.currency)
    age = None if fund.as_of is None else round(max(0.0, (now - fund.as_of).total_seconds()), 3)
    return Figures(
        account_type=account_type,
        currency=fund.currency,
        equity=equity,
        missing=fund.missing,
        as_of=fund.as_of,
        age_s=age,
        stale=age is None or age > max_age_seconds,
        today_pnl=today,
        today_ratio=None
        if marks is None or today is None or base <= 0
        else (marks.last / base - 1).quantize(_RATIO),
        mtd_ratio=period_return(days, now.date().replace(day=1)),
        ytd_ratio=period_return(days, now.date().replace(month=1, day=1)),
        drawdown_ratio=_rounded(drawdown_ratio(marks)) if marks else None,
        margin_used=margin,
        margin_ratio=_rounded(margin / equity) if margin is not None and equity else None,
        margin_limit_ratio=margin_limit,
    )


def figures_of_day(fund: FundDays, day: date, account_type: AccountType) -> Figures:
    """The figures of a day that is over, by its last look; margin was not kept."""
    row = next((row for row in fund.rows if row["date"] == day.isoformat()), None)
    if row is None:
        return Figures(account_type=account_type, currency="USD", missing=f"nothing of {day}")
    days = [each for each in fund.days if each.on <= day]
    returned = days[-1].ratio
    base = row.get("start")
    series = [ratio for _, ratio in known(days)]
    return Figures(
        account_type=account_type,
        currency=row["currency"],
        equity=row["close"],
        as_of=row["as_of"],
        stale=False,
        today_pnl=None if base is None else row["close"] - base,
        today_ratio=None if returned is None else Decimal(f"{returned:.6f}"),
        mtd_ratio=period_return(days, day.replace(day=1)),
        ytd_ratio=period_return(days, day.replace(month=1, day=1)),
        drawdown_ratio=Decimal(f"{drawdowns(series)[-1]:.6f}") if series else None,
    )


def _rounded(ratio: Decimal | None) -> Decimal | None:
    return None if ratio is None else ratio.quantize(_RATIO)


def _margin(
    accounts: Sequence[AccountSnapshot], account_type: AccountType, currency: str
) -> Decimal | None:
    """Initial margin of all active accounts of the type; None where one is not known."""
    active = [each for each in accounts if each.status is ActiveStatus.ACTIVE]
    total, counted = ZERO, False
    for each in active:
        if each.account_type is not account_type:
            continue
        rate = rate_to(currency, each, active)
        if each.initial_margin is None or rate is None:
            return None
        total, counted = total + each.initial_margin * rate, True
    return total if counted else None


def points_of(rows: Sequence[Mapping[str, Any]], span: Range) -> tuple[OverviewPoint, ...]:
    """The curve of a day by the minute, of a week by the hour; growth by the marks of each look."""
    last = {point_key(row, span): row for row in rows}
    found: list[OverviewPoint] = []
    growth: float | None = 1.0
    before: Mapping[str, Any] | None = None
    for row in last.values():
        growth = 1.0 if before is None else _grown(growth, before, row)
        found.append(
            OverviewPoint(
                at=row["at"], equity=row["equity"], growth=growth, drawdown_ratio=_fallen(row)
            )
        )
        before = row
    return tuple(found)


def point_key(row: Mapping[str, Any], span: Range) -> str:
    """The minute, or in a week the hour, that a look is one of."""
    form = "%Y-%m-%dT%H:%M" if span is Range.DAY else "%Y-%m-%dT%H"
    return f"{row['at']:{form}}"


def _grown(growth: float | None, before: Mapping[str, Any], row: Mapping[str, Any]) -> float | None:
    """Growth from one look to the next: marks keep their ratios over payments."""
    if growth is None or before["currency"] != row["currency"]:
        return None
    old, new = before["marks"], row["marks"]
    if _opened(new) <= 0:
        return None
    factor = new["last"] / _opened(new)
    if old["day"] == new["day"]:  # else the new day began where the old one ended
        if _opened(old) <= 0 or old["last"] <= 0:
            return None
        factor /= old["last"] / _opened(old)
    return growth * float(factor)


def _opened(marks: Mapping[str, Any]) -> Decimal:
    opened = marks.get("day_open")
    return Decimal(marks["day_start"] if opened is None else opened)


def _fallen(row: Mapping[str, Any]) -> float | None:
    peak, last = row["marks"]["peak"], row["marks"]["last"]
    return float(1 - last / peak) if peak > 0 else None


def daily_points(
    fund: FundDays, first: date, benchmark: Mapping[date, float]
) -> tuple[OverviewPoint, ...]:
    """The curve by the day; drawdown is since the peak of the whole history."""
    series = known(fund.days)
    ratios = [ratio for _, ratio in series]
    levels = dict(zip((on for on, _ in series), index_of(ratios), strict=True))
    fallen = dict(zip((on for on, _ in series), drawdowns(ratios), strict=True))
    if series:  # the day before the first return is where the index begins
        begins = series[0][0]
        earlier = [day.on for day in fund.days if day.on < begins]
        if earlier:
            levels[earlier[-1]], fallen[earlier[-1]] = 1.0, 0.0
    rows = [row for row in fund.rows if row["date"] >= first.isoformat()]
    base = next((levels[on] for row in rows if (on := _on(row)) in levels), None)
    compared = _benchmark(rows, benchmark)
    return tuple(
        OverviewPoint(
            at=datetime.combine(_on(row), time(0), UTC),
            equity=row["close"],
            growth=levels[_on(row)] / base if base and _on(row) in levels else None,
            drawdown_ratio=fallen.get(_on(row)),
            benchmark=compared.get(_on(row)),
        )
        for row in rows
    )


def _on(row: Mapping[str, Any]) -> date:
    return date.fromisoformat(row["date"])


def _benchmark(
    rows: Sequence[Mapping[str, Any]], returns: Mapping[date, float]
) -> dict[date, float]:
    """What 1 has become, from the first shown day on; nothing without any return since."""
    if not rows:
        return {}
    begin, end = _on(rows[0]), _on(rows[-1])
    if not any(begin < on <= end for on in returns):
        return {}
    found, level = {}, 1.0
    for row in rows:
        on = _on(row)
        level *= 1.0 + (returns.get(on, 0.0) if on > begin else 0.0)
        found[on] = level
    return found


def equal_weight(rows: Sequence[tuple[date, float]]) -> dict[date, float]:
    """Mean return by day of the strategies that have one: equal weights, set anew each day."""
    by_day: dict[date, list[float]] = {}
    for on, ratio in rows:
        by_day.setdefault(on, []).append(ratio)
    return {on: sum(each) / len(each) for on, each in sorted(by_day.items())}


class Waiting(NamedTuple):
    """Documents of everything that may need a person, and how many there are of each kind."""

    incidents: Sequence[Mapping[str, Any]]
    approvals: Sequence[Mapping[str, Any]]
    proposals: Sequence[Mapping[str, Any]]
    letters: Sequence[Mapping[str, Any]]
    unknown_orders: Sequence[Mapping[str, Any]]
    more: int = 0


def needs_of(
    waiting: Waiting, accounts: Sequence[AccountSnapshot], *, max_age_seconds: float, now: datetime
) -> Needs:
    """What needs a person: orders without an outcome first, then by kind, oldest first."""
    found = [
        *(
            _need(NeedKind.UNKNOWN_ORDER, row["_id"], _unknown(row), row.get("updated_at"))
            for row in waiting.unknown_orders
        ),
        *(
            _need(NeedKind.APPROVAL, row["_id"], _approval(row, now), row.get("asked_at"))
            for row in waiting.approvals
        ),
        *(
            _need(NeedKind.INCIDENT, row["_id"], row["sentence"], row["opened_at"])
            for row in waiting.incidents
        ),
        *_stale(accounts, max_age_seconds, now),
        *(
            _need(
                NeedKind.DEAD_LETTER,
                row["_id"],
                f"{row['subscription']}: {row['error']}",
                row["first_failed_at"],
            )
            for row in waiting.letters
        ),
        *(
            _need(NeedKind.ALLOCATION, row["_id"], _proposal(row), row.get("proposed_at"))
            for row in waiting.proposals
        ),
    ]
    return Needs(total=len(found) + waiting.more, rows=tuple(found[:MOST_NEEDS]))


def _need(kind: NeedKind, key: object, sentence: str, since: datetime | None) -> Need:
    return Need(kind=kind, key=str(key), sentence=sentence, since=since)


def _unknown(row: Mapping[str, Any]) -> str:
    order = row["order"]
    return (
        f"the outcome of {order['side']} {order['quantity']:f} {order['instrument']['symbol']} of "
        f"{row['strategy_id']} in {row['account_id']} is not known"
    )


def _approval(row: Mapping[str, Any], now: datetime) -> str:
    text = f"a signal of {row.get('strategy_id', 'a strategy')} waits for approval"
    ends = row.get("expires_at")
    return f"{text}, for {in_words(ends - now)} more" if ends and ends > now else text


def _proposal(row: Mapping[str, Any]) -> str:
    return f"an allocation proposed by {row.get('proposed_by', 'somebody')} waits for approval"


def _stale(
    accounts: Sequence[AccountSnapshot], max_age_seconds: float, now: datetime
) -> list[Need]:
    found = []
    for each in accounts:
        if each.status is not ActiveStatus.ACTIVE:
            continue
        if each.as_of is None:
            sentence = f"account {each.account_id}: its broker has not reported yet"
        elif (now - each.as_of).total_seconds() > max_age_seconds:
            age = in_words(now - each.as_of)
            sentence = f"account {each.account_id}: figures are {age} old, entries are denied"
        else:
            continue
        found.append(_need(NeedKind.STALE_ACCOUNT, each.account_id, sentence, each.as_of))
    return found
