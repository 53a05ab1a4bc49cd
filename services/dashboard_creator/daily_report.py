"""The daily report in words: plain text, and the same as HTML. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from html import escape
from itertools import islice, pairwise
from typing import Final, NamedTuple

from services.dashboard_creator.report_models import (
    ReportChange,
    ReportDenial,
    ReportFigures,
    ReportIncident,
    ReportStrategy,
    ReportTrade,
)

_UNKNOWN: Final = "not known"
_CENT: Final = Decimal("0.01")
#: Lines of a list in words; the rest is counted, and all of it is in the figures.
_MOST_LINES: Final = 15


class Section(NamedTuple):
    """A heading and its lines."""

    title: str
    lines: tuple[str, ...]


def sections(report: ReportFigures) -> list[Section]:
    """The report in sections, what needs a person first."""
    return [
        Section("Needs a person", _needs(report)),
        Section("Fund", _fund(report)),
        Section("Strategies", tuple(map(_strategy, report.strategies)) or ("No strategy yet.",)),
        Section(
            f"Trades: {report.trades_total}",
            _some(map(_trade, report.trades), report.trades_total, "No fills."),
        ),
        Section(f"Refused signals: {sum(report.denials_by_code.values())}", _denials(report)),
        Section(
            f"Incidents: {len(report.incidents)}",
            _some(map(_incident, report.incidents), len(report.incidents), "None."),
        ),
        Section(
            "Allocation",
            _some(
                map(_change, report.allocation_changes),
                len(report.allocation_changes),
                "As it was.",
            ),
        ),
    ]


def subject(report: ReportFigures) -> str:
    """One line: of which day, live or paper, and the day's figure."""
    figures = report.figures
    made = _signed(figures.today_pnl, figures.currency)
    ratio = f" ({_percent(figures.today_ratio)})" if figures.today_ratio is not None else ""
    return f"{report.trading_mode.upper()} {report.date}: {made}{ratio}"


def as_text(report: ReportFigures) -> str:
    """Plain text, for mail and chat."""
    parts = [subject(report), _covers(report)]
    for section in sections(report):
        parts += ["", section.title.upper(), *(f"  {line}" for line in section.lines)]
    return "\n".join(parts) + "\n"


def as_html(report: ReportFigures) -> str:
    """A page without scripts, pictures and anything from elsewhere; readable in a mail."""
    body = [f"<h1>{escape(subject(report))}</h1>", f"<p>{escape(_covers(report))}</p>"]
    for section in sections(report):
        lines = "".join(f"<li>{escape(line)}</li>" for line in section.lines)
        body.append(f"<h2>{escape(section.title)}</h2><ul>{lines}</ul>")
    style = "body{font-family:system-ui,sans-serif;max-width:44em;margin:1em auto;padding:0 1em}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(subject(report))}</title><style>{style}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )


def _covers(report: ReportFigures) -> str:
    whole = "the whole day" if report.day_is_over else f"until {report.covers_until:%H:%M}"
    return (
        f"Figures are of {report.date} (UTC), {whole}; events since "
        f"{report.covers_from:%Y-%m-%d %H:%M} UTC."
    )


def _needs(report: ReportFigures) -> tuple[str, ...]:
    needs = report.needs_person
    return _some((each.sentence for each in needs.rows), needs.total, "Nothing.")


def _fund(report: ReportFigures) -> tuple[str, ...]:
    figures, currency = report.figures, report.figures.currency
    limit = figures.margin_limit_ratio
    margin = _percent(figures.margin_ratio) + (f" of {_percent(limit)} allowed" if limit else "")
    lines = [
        f"Equity {_money(figures.equity, currency)}",
        f"Today {_signed(figures.today_pnl, currency)} ({_percent(figures.today_ratio)})",
        f"Month {_percent(figures.mtd_ratio)}, year {_percent(figures.ytd_ratio)}",
        f"Below the peak {_percent(figures.drawdown_ratio)}",
        f"Margin in use {margin}",
        f"Trading is {report.trading_state}",
    ]
    return (*lines, f"Not known: {figures.missing}") if figures.missing else tuple(lines)


def _strategy(row: ReportStrategy) -> str:
    text = (
        f"{row.strategy_id}: today {_signed(row.today_pnl, row.currency)}, "
        f"month {_signed(row.mtd_pnl, row.currency)}, {_count(row.signals, 'signal')}, "
        f"{_count(row.fills, 'fill')}, {row.refused} refused"
    )
    return f"{text} ({row.unknown})" if row.unknown else text


def _trade(row: ReportTrade) -> str:
    made = f", {_signed(row.pnl, row.currency)}" if row.pnl else ""
    return (
        f"{row.at:%H:%M:%S} {row.strategy_id} {row.side} {row.quantity.normalize():f} "
        f"{row.symbol} at {row.price.normalize():f} in {row.account_id}{made}"
    )


def _denials(report: ReportFigures) -> tuple[str, ...]:
    if not report.denials_by_code:
        return ("None.",)
    codes = sorted(report.denials_by_code.items(), key=lambda each: (-each[1], each[0]))
    counted = ", ".join(f"{code} {count}" for code, count in codes)
    total = sum(report.denials_by_code.values())
    return (counted, *_some(map(_denial, report.denials), total, ""))


def _denial(row: ReportDenial) -> str:
    return f"{row.at:%H:%M:%S} {row.strategy_id}: {row.sentence or row.code}"


def _incident(row: ReportIncident) -> str:
    state = "open" if row.open else "over"
    return f"{row.opened_at:%Y-%m-%d %H:%M} {row.sentence} ({state})"


def _change(row: ReportChange) -> str:
    before = "nothing" if row.before_pct is None else f"{row.before_pct:g} %"
    after = "nothing" if row.after_pct is None else f"{row.after_pct:g} %"
    why = f": {row.reason}" if row.reason else ""
    return f"{row.at:%H:%M} {row.strategy_id} {before} → {after}, by {row.by}{why}"


def _some(lines: Iterable[str], total: int, none: str) -> tuple[str, ...]:
    shown = tuple(islice(lines, _MOST_LINES))
    if not shown:
        return (none,) if none else ()
    return (*shown, f"… and {total - len(shown)} more") if total > len(shown) else shown


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _money(amount: Decimal | None, currency: str) -> str:
    if amount is None:
        return _UNKNOWN
    return f"{amount.quantize(_CENT, rounding=ROUND_HALF_EVEN):,} {currency}"


def _signed(amount: Decimal | None, currency: str) -> str:
    if amount is None:
        return _UNKNOWN
    return f"{amount.quantize(_CENT, rounding=ROUND_HALF_EVEN):+,} {currency}"


def _percent(ratio: float | Decimal | None) -> str:
    return _UNKNOWN if ratio is None else f"{float(ratio) * 100:.2f} %"


def changes_of(versions: Sequence[tuple[dict[str, Decimal], ReportChange]]) -> list[ReportChange]:
    """What each approved version changed of the one before it.

    Args:
        versions: ratios by strategy, and who approved them when and why; oldest first, the first
            one only to compare with.
    """
    found: list[ReportChange] = []
    for (before, _), (after, signed) in pairwise(versions):
        found += [
            signed.model_copy(
                update={
                    "strategy_id": name,
                    "before_pct": _of_100(before.get(name)),
                    "after_pct": _of_100(after.get(name)),
                }
            )
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        ]
    return found


def _of_100(ratio: Decimal | None) -> float | None:
    return None if ratio is None else float(ratio * 100)
