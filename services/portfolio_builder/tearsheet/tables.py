"""Tables of the page. Pure; all text is escaped here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from services.portfolio_builder.study_result import (
    Figures,
    Month,
    StrategyPart,
    StudyResult,
    Track,
    Window,
)
from services.portfolio_builder.tearsheet.words import (
    NONE,
    binding_words,
    number,
    percent,
    portfolio_name,
    text,
)

#: Rows of a table of strategies, and strategies of a heat map, at most.
MOST_ROWS, MOST_HEAT = 40, 30
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _drawdown_days(figures: Figures) -> str:
    if figures.drawdown is None:
        return NONE
    open_end = "" if figures.drawdown.recovered_on else "+"
    return f"{figures.drawdown.days:,}{open_end}"


#: Name and text of each row of the key figures.
FIGURES: tuple[tuple[str, Callable[[Track], str]], ...] = (
    ("Growth a year (CAGR)", lambda track: percent(track.figures.cagr_ratio)),
    ("Total return", lambda track: percent(track.figures.total_return_ratio, 0)),
    ("Volatility", lambda track: percent(track.figures.volatility_ratio)),
    ("Sharpe ratio", lambda track: number(track.figures.sharpe)),
    ("Sortino ratio", lambda track: number(track.figures.sortino)),
    ("Largest drawdown", lambda track: percent(-track.figures.max_drawdown_ratio)),
    ("… days from peak to recovery", lambda track: _drawdown_days(track.figures)),
    ("Calmar ratio", lambda track: number(track.figures.calmar)),
    ("Value at risk, 95%, a day", lambda track: percent(track.figures.var_95_ratio, 2)),
    ("Expected shortfall, 95%, a day", lambda track: percent(track.figures.es_95_ratio, 2)),
    ("Skew", lambda track: number(track.figures.skew)),
    ("Kurtosis (normal: 3)", lambda track: number(track.figures.kurtosis, 1)),
    ("Days with a gain", lambda track: percent(track.figures.hit_ratio, 0)),
    ("Best day", lambda track: percent(track.figures.best_day_ratio, sign=True)),
    ("Worst day", lambda track: percent(track.figures.worst_day_ratio, sign=True)),
    ("Best month", lambda track: percent(track.figures.best_month_ratio, sign=True)),
    ("Worst month", lambda track: percent(track.figures.worst_month_ratio, sign=True)),
    ("Mean exposure", lambda track: percent(sum(track.exposure) / len(track.exposure), 0)),
    (
        "Largest margin",
        lambda track: percent(max(track.margin_ratio or (0,)), 0) if track.margin_ratio else NONE,
    ),
    ("Turnover a year", lambda track: number(track.turnover_ratio, 1) + "×"),
    ("Costs a year", lambda track: percent(_yearly_costs(track), 2)),
)


def _yearly_costs(track: Track) -> float:
    return sum(track.costs) / len(track.costs) * track.figures.periods_per_year


def table(head: Sequence[str], rows: Sequence[str], kind: str = "") -> str:
    """A table that scrolls by itself where the page is too narrow; head and rows are HTML."""
    name = f' class="{kind}"' if kind else ""
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table{name}><thead><tr>{"".join(head)}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _row(first: str, cells: Sequence[str], flag: bool = False) -> str:
    name = ' class="flag"' if flag else ""
    return f'<tr{name}><th scope="row">{first}</th>{"".join(cells)}</tr>'


def _cells(values: Sequence[str]) -> list[str]:
    return [f"<td>{text(each)}</td>" for each in values]


def _heads(values: Sequence[str]) -> list[str]:
    return [f'<th scope="col">{text(each)}</th>' for each in values]


def key_figures(result: StudyResult, tracks: Sequence[Track]) -> str:
    """Every portfolio beside the others; the one that would be traded stands out."""
    judged = result.walk_forward.judged if result.walk_forward else None
    marks = [' class="first"' if each is judged else "" for each in tracks]
    head = ["<th></th>"] + [
        f'<th scope="col"{mark}>{text(portfolio_name(each.portfolio, result.request.method))}</th>'
        for each, mark in zip(tracks, marks, strict=True)
    ]
    rows = [
        _row(
            text(name),
            [
                f"<td{mark}>{text(show(each))}</td>"
                for each, mark in zip(tracks, marks, strict=True)
            ],
        )
        for name, show in FIGURES
    ]
    return table(head, rows)


def months(found: Sequence[Month]) -> str:
    """Years down, months across; a color for the eye and a sign for who sees none."""
    by_year: dict[int, dict[int, float]] = {}
    for each in found:
        by_year.setdefault(each.year, {})[each.month] = each.ratio
    rows = []
    for year, own in sorted(by_year.items(), reverse=True):
        cells = [_tinted(own.get(month), 0.08) for month in range(1, 13)]
        total = math.prod(1 + each for each in own.values()) - 1
        rows.append(
            _row(str(year), [*cells, f'<td class="first">{percent(total, sign=True)}</td>'])
        )
    return table([*_heads(["", *_MONTHS]), *_heads(["Year"])], rows, "heat")


def _tinted(ratio: float | None, full: float) -> str:
    if ratio is None:
        return "<td></td>"
    return f'<td style="background:{_tint(ratio / full)}">{percent(ratio, sign=True)}</td>'


def _tint(strength: float) -> str:
    """From red over white to green, so light that black text stays legible on it."""
    part = min(abs(strength), 1.0)
    far = (121, 190, 148) if strength >= 0 else (232, 142, 128)
    red, green, blue = (round(255 + (each - 255) * part) for each in far)
    return f"#{red:02x}{green:02x}{blue:02x}"


def correlations(result: StudyResult, shown: Sequence[StrategyPart]) -> str:
    """Correlation of each two strategies; numbers where there is room for them."""
    order = [each.strategy_id for each in result.strategies]
    rows_of = [order.index(each.strategy_id) for each in shown]
    wordy = len(shown) <= 14
    rows = []
    for row, part in zip(rows_of, shown, strict=True):
        cells = []
        for column in rows_of:
            value = result.correlation[row][column]
            name = f"{order[row]} and {order[column]}: {number(value)}"
            tint = "#fff" if value is None else _cold(value)
            inside = number(value) if wordy else ""
            cells.append(f'<td style="background:{tint}" title="{text(name)}">{inside}</td>')
        rows.append(_row(text(part.strategy_id), cells))
    head = _heads(["", *([each.strategy_id for each in shown] if wordy else [""] * len(shown))])
    return table(head, rows, "heat")


def _cold(value: float) -> str:
    part = min(abs(value), 1.0)
    far = (94, 142, 190) if value >= 0 else (226, 158, 96)
    red, green, blue = (round(255 + (each - 255) * part) for each in far)
    return f"#{red:02x}{green:02x}{blue:02x}"


def weights(result: StudyResult, shown: Sequence[StrategyPart]) -> str:
    """What is proposed beside what is held, with each strategy's own record."""
    head = _heads(
        ["Strategy", "Proposed", "Current", "Change", "At most", "Days", "CAGR", "Vol.", "Sharpe"]
    )
    head += [*_heads(["Drawdown"]), '<th scope="col" class="text">Record</th>']
    rows = []
    for part in shown:
        proposed = result.proposed.weights.get(part.strategy_id, 0.0)
        now = result.current.get(part.strategy_id, 0.0)
        own = part.figures
        cells = _cells(
            [
                percent(proposed),
                percent(now),
                percent(proposed - now, sign=True),
                percent(part.cap_ratio),
                f"{part.days:,}",
                percent(own.cagr_ratio if own else None),
                percent(own.volatility_ratio if own else None),
                number(own.sharpe if own else None),
                percent(-own.max_drawdown_ratio if own else None),
            ]
        )
        notes = "; ".join([f"{part.source}, {part.first_on} to {part.last_on}", *part.notes])
        cells.append(f'<td class="text">{text(notes)}</td>')
        rows.append(_row(text(part.strategy_id), cells, flag=not part.eligible))
    totals = [sum(each.values()) for each in (result.proposed.weights, result.current)]
    change = percent(totals[0] - totals[1], sign=True)
    total = _cells([percent(totals[0]), percent(totals[1]), change, *[""] * 6])
    rows.append(_row("<b>Total</b>", [*total, '<td class="text"></td>']))
    return table(head, rows)


def windows(found: Sequence[Window]) -> str:
    """What each decision looked like when it was made, and what came of it."""
    head = _heads(["", "Test days", "Total weight", "Sharpe in", "Sharpe out", "Drawdown in"])
    head += _heads(["Drawdown out", "Return out"])
    head.append('<th scope="col" class="text">Held back by</th>')
    rows = []
    for each in found:
        inside, after = each.in_sample, each.out_of_sample
        cells = _cells(
            [
                f"{each.test_first_on} – {each.test_last_on}",
                percent(sum(each.weights.values()), 0),
                number(inside.sharpe if inside else None),
                number(after.sharpe),
                percent(-inside.max_drawdown_ratio if inside else None),
                percent(-after.max_drawdown_ratio),
                percent(after.total_return_ratio, sign=True),
            ]
        )
        why = f"No solution, former weights kept: {each.why_not}" if each.why_not else ""
        cells.append(f'<td class="text">{text(why or binding_words(each.binding))}</td>')
        rows.append(_row(str(each.number), cells, flag=bool(each.why_not)))
    return table(head, rows, "windows")
