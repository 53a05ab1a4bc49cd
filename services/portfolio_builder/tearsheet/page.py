"""The page: what was asked, what to doubt, what came out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from services.portfolio_builder.study_result import (
    Certified,
    Portfolio,
    StrategyPart,
    StudyResult,
    Track,
    WalkForwardResult,
)
from services.portfolio_builder.tearsheet import charts, tables
from services.portfolio_builder.tearsheet.charts import HALF, WIDE, Line
from services.portfolio_builder.tearsheet.style import STYLE
from services.portfolio_builder.tearsheet.words import (
    binding_words,
    constraint_words,
    method_words,
    number,
    percent,
    portfolio_name,
    probability,
    terms_words,
    text,
)

#: Color and dash of each portfolio: told apart without color too.
LOOKS = {
    Portfolio.WITH_OVERLAYS: ("#17406d", "-", 1.8),
    Portfolio.METHOD: ("#6f9fd0", "-", 1.3),
    Portfolio.EQUAL_WEIGHT: ("#7b8592", "--", 1.2),
    Portfolio.CURRENT: ("#c9762b", "-", 1.2),
    Portfolio.RISK_PARITY: ("#4f9a76", ":", 1.2),
    Portfolio.HRP: ("#9a6fb0", "-.", 1.1),
}
LAYERS = (
    "#17406d", "#6f9fd0", "#c9762b", "#4f9a76", "#9a6fb0", "#d8b24a",
    "#7b8592", "#a8483a", "#3b8ea5", "#b9c46a",
)  # fmt: skip
OTHERS = "#d5dae0"


def tearsheet(result: StudyResult, *, title: str = "") -> str:
    """One page of HTML for a study; needs no other file, and runs nothing.

    Args:
        result: of `run_study`.
        title: how a person called the study; "" = by its method.
    """
    name = title or f"{method_words(result.request)} of {len(result.strategies)} strategies"
    shown = _largest(result)
    parts = [_header(result, name), _warnings(result)]
    forward = result.walk_forward
    if forward:
        parts += [_outcome(result, forward), _paths(result, forward)]
    parts.append(_proposal(result, shown))
    if forward:
        parts += [_weights_over_time(result, forward), _months(result, forward)]
    parts += [_correlation(result, shown), _luck(result)]
    if forward:
        count = f"{len(forward.windows)} decisions; in: training days, out: test days after costs"
        parts.append(_section("Windows", tables.windows(forward.windows), count))
    parts.append(_footer())
    body = "\n".join(each for each in parts if each)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(name)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _section(name: str, inside: str, note: str = "") -> str:
    small = f" <small>{text(note)}</small>" if note else ""
    return f"<section><h2>{text(name)}{small}</h2>\n{inside}</section>"


def _header(result: StudyResult, name: str) -> str:
    request = result.request
    tried = request.walk_forward
    entries = [
        ("Method", method_words(request)),
        ("Constraints", "; ".join(constraint_words(request.constraints))),
        ("Trial", "; ".join(terms_words(tried)) if tried else "none"),
        ("Records", f"{result.first_on} to {result.last_on}, SHA-256 {result.data_hash}"),
        ("Code", f"version {result.code_version}"),
    ]
    listed = "".join(f"<dt>{text(term)}</dt><dd>{text(told)}</dd>" for term, told in entries)
    forward = result.walk_forward
    lead = f"Records to {result.last_on}"
    if forward:
        lead = (
            f"Tested out of sample from {forward.dates[0]} to {forward.dates[-1]} "
            f"in {len(forward.windows)} windows"
        )
    return (
        f'<header><h1>{text(name)}</h1><p class="lead">{text(lead)}</p></header>\n<dl>{listed}</dl>'
    )


def _warnings(result: StudyResult) -> str:
    if not result.warnings:
        return ""
    listed = "".join(f"<li>{text(each)}</li>" for each in result.warnings)
    return f'<ul class="warnings">{listed}</ul>'


def _ordered(forward: WalkForwardResult) -> list[Track]:
    """What would be traded first."""
    judged = forward.judged
    return [judged, *(each for each in forward.tracks if each is not judged)]


def _outcome(result: StudyResult, forward: WalkForwardResult) -> str:
    table = tables.key_figures(result, _ordered(forward))
    return _section("Out of sample, after costs", table)


def _legend(entries: Sequence[tuple[str, str, str]]) -> str:
    dashes = {"-": "solid", "--": "dashed", ":": "dotted", "-.": "dashed"}
    listed = "".join(
        f'<li><i style="border-top:3px {dashes[dash]} {color}"></i>{text(name)}</li>'
        for name, color, dash in entries
    )
    return f'<ul class="legend">{listed}</ul>'


def _paths(result: StudyResult, forward: WalkForwardResult) -> str:
    tracks = _ordered(forward)
    method = result.request.method
    legend = _legend(
        [(portfolio_name(each.portfolio, method), *LOOKS[each.portfolio][:2]) for each in tracks]
    )
    equity = charts.lines(
        "equity", forward.dates, [_line(each, each.equity) for each in tracks], width=WIDE,
        height=3.2, kind="log",
    )  # fmt: skip
    losses = charts.drawdowns(
        "drawdown",
        forward.dates,
        [_line(each, _losses(each.equity)) for each in tracks[:3]],
        width=HALF,
    )
    rolling = charts.lines(
        "rolling", forward.dates, [Line(forward.rolling_sharpe, LOOKS[tracks[0].portfolio][0])]
    )
    used = _used(tracks[0])
    exposure = charts.lines("exposure", forward.dates, used, kind="percent")
    judged = portfolio_name(tracks[0].portfolio, method)
    window = f"{forward.rolling_days} days, {judged}"
    columns = [
        _section("Drawdown", _figure(losses), "from the peak so far"),
        _section("Rolling Sharpe ratio", _figure(rolling), window),
        _section(
            "Exposure and margin", _legend(_USED[: len(used)]) + _figure(exposure), "of equity"
        ),
        _frontier(result),
    ]
    whole = _section("Equity", legend + _figure(equity, "wide scroll"), "multiples of 1, log")
    return f'{whole}\n<div class="columns">\n{"".join(columns)}\n</div>'


def _figure(drawing: str, kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f"<figure{name}>{drawing}</figure>"


_USED = [("Exposure", "#17406d", "-"), ("Margin in use", "#c9762b", "-")]


def _used(track: Track) -> list[Line]:
    found = [Line(track.exposure, _USED[0][1])]
    if track.margin_ratio is not None:
        found.append(Line(track.margin_ratio, _USED[1][1], 1.0))
    return found


def _line(track: Track, values: Sequence[float]) -> Line:
    color, dash, width = LOOKS[track.portfolio]
    return Line(values, color, width, dash)


def _losses(equity: Sequence[float]) -> list[float]:
    found, peak = [], 1.0
    for each in equity:
        peak = max(peak, each)
        found.append(1.0 - each / peak)
    return found


def _frontier(result: StudyResult) -> str:
    points = [(each.sharpe, each.growth) for each in result.proposed.frontier]
    if len(points) < 2:
        return ""
    held = result.proposed.weights
    chosen = min(
        result.proposed.frontier,
        key=lambda each: sum(abs(each.weights[name] - held[name]) for name in held),
    )
    drawing = charts.frontier("frontier", points, (chosen.sharpe, chosen.growth))
    return _section("Frontier", f"<figure>{drawing}</figure>", "in sample; the diamond is proposed")


def _largest(result: StudyResult) -> list[StrategyPart]:
    """Strategies by proposed weight, then by current weight, then by name."""

    def size(part: StrategyPart) -> tuple[float, float, str]:
        name = part.strategy_id
        return -result.proposed.weights.get(name, 0.0), -result.current.get(name, 0.0), name

    return sorted(result.strategies, key=size)


def _proposal(result: StudyResult, shown: Sequence[StrategyPart]) -> str:
    proposed = result.proposed
    told = [
        f"Held back by: {binding_words(proposed.binding)}.",
        f"In sample Sharpe {number(proposed.in_sample.sharpe)}, growth "
        f"{percent(proposed.in_sample.cagr_ratio)}, drawdown "
        f"{percent(-proposed.in_sample.max_drawdown_ratio)}, before costs.",
        _certified(proposed.certificate),
        *proposed.notes,
    ]
    more = len(shown) - tables.MOST_ROWS
    if more > 0:
        told.append(f"{more} strategies with less weight are not shown.")
    notes = f'<p class="lead">{text(" ".join(told))}</p>'
    table = tables.weights(result, shown[: tables.MOST_ROWS])
    return _section("Proposed weights", table + notes, "of equity")


def _certified(certificate: Certified) -> str:
    told = f"Solved by {certificate.solver} in {certificate.iterations} convex problems"
    if certificate.second_solver:
        told += f", checked by {certificate.second_solver}"
    if certificate.gap is not None:
        told += f" with a gap of {certificate.gap:.0e}".replace("-", "−")
    missed = certificate.max_violation
    return f"{told}; constraints are kept {f'to {missed:.0e}' if missed > 0 else 'exactly'}."


def _weights_over_time(result: StudyResult, forward: WalkForwardResult) -> str:
    windows = forward.windows
    means = {
        part.strategy_id: sum(each.weights[part.strategy_id] for each in windows)
        for part in result.strategies
    }
    names = sorted(means, key=lambda name: (-means[name], name))
    kept = [name for name in names if means[name] > 0][: len(LAYERS)]
    dates = [*(each.test_first_on for each in windows), windows[-1].test_last_on]
    held = [each.weights for each in windows] + [windows[-1].weights]
    layers = [
        Line([each[name] for each in held], color)
        for name, color in zip(kept, LAYERS, strict=False)
    ]
    rest = [sum(each.values()) - sum(each[name] for name in kept) for each in held]
    entries = [(name, color, "-") for name, color in zip(kept, LAYERS, strict=False)]
    if max(rest) > 1e-6:
        layers.append(Line([max(each, 0.0) for each in rest], OTHERS))
        entries.append(("others", OTHERS, "-"))
    if not layers:
        return ""
    drawing = charts.stacked("weights", dates, layers)
    inside = _legend(entries) + _figure(drawing, "wide scroll")
    moved = [
        sum(abs(after.weights[name] - before.weights[name]) for name in means)
        for before, after in pairwise(windows)
    ]
    note = f"decided per window, before overlays; {percent(sum(moved) / max(len(moved), 1), 0)} "
    return _section("Weights over time", inside, note + "of equity moved at a decision on average")


def _months(result: StudyResult, forward: WalkForwardResult) -> str:
    judged = portfolio_name(forward.judged.portfolio, result.request.method)
    return _section("Monthly returns", tables.months(forward.months), judged)


def _correlation(result: StudyResult, shown: Sequence[StrategyPart]) -> str:
    some = shown[: tables.MOST_HEAT]
    note = "daily returns on common days"
    if len(some) < len(shown):
        note += f"; the {len(some)} with the most weight"
    return _section("Correlation", tables.correlations(result, some), note)


def _luck(result: StudyResult) -> str:
    told = []
    forward, crossed = result.walk_forward, result.cross_validation
    if forward:
        luck = forward.overfitting
        told += [
            ("Probability that the true Sharpe ratio is above 0", probability(luck.psr)),
            ("Studies tried", f"{luck.trials:,}"),
            ("Sharpe ratio that the best would show by luck", number(luck.expected_max_sharpe)),
            ("Probability that the true one is above that", probability(luck.dsr)),
            (
                "Drawdown that 1 of 20 resampled paths exceeds",
                percent(-luck.bootstrap_drawdown_95_ratio),
            ),
        ]
    if crossed:
        ratios = sorted(each for each in crossed.sharpe if each is not None)
        spread = f"{number(ratios[0])} to {number(ratios[-1])}" if ratios else "none"
        told += [
            (f"Sharpe ratio on {len(crossed.sharpe)} purged paths", spread),
            ("Drawdown on the worst of them", percent(-max(crossed.max_drawdown_ratio))),
        ]
    if not told:
        return ""
    listed = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in told)
    return _section("How much may be luck", f"<dl>{listed}</dl>")


def _footer() -> str:
    return (
        "<footer>Returns are of allocated capital as recorded; nobody has checked those that are "
        "claims of developers. CAGR by calendar days; volatility, Sharpe and Sortino ratios annual "
        "by the days of the record; drawdowns from the equity before the first day; value at risk "
        "and expected shortfall historical; a drawdown with + has not recovered. Weights of a "
        "window are learned only from days before it. Overlays scale all weights by yesterday's "
        "volatility and drawdown, never above what was decided. What was is not what will be."
        "</footer>"
    )
