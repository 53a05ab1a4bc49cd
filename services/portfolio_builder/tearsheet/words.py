"""How figures and names are written on the page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from services.portfolio_builder.constraints import Constraints, Method
from services.portfolio_builder.study import StudyRequest, WalkForward
from services.portfolio_builder.study_result import Portfolio

METHODS = {
    Method.MAX_SHARPE: "Maximum Sharpe ratio",
    Method.MAX_GROWTH: "Maximum growth",
    Method.HYBRID: "Growth and Sharpe ratio",
    Method.MIN_VARIANCE: "Minimum variance",
    Method.RISK_PARITY: "Risk parity",
    Method.HRP: "Hierarchical risk parity",
    Method.EQUAL_WEIGHT: "Equal weights within constraints",
}
PORTFOLIOS = {
    Portfolio.EQUAL_WEIGHT: "Equal weight, 1/n",
    Portfolio.CURRENT: "Current allocation",
    Portfolio.RISK_PARITY: "Risk parity, 100%",
    Portfolio.HRP: "HRP, 100%",
}
NONE = "–"
#: Marks that change the direction of what follows (Unicode Standard Annex 9, 2.1 to 2.6).
_TURNS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def portfolio_name(portfolio: Portfolio, method: Method) -> str:
    """How a track is called on the page."""
    if portfolio is Portfolio.METHOD:
        return METHODS[method]
    if portfolio is Portfolio.WITH_OVERLAYS:
        return f"{METHODS[method]}, with overlays"
    return PORTFOLIOS[portfolio]


def percent(value: float | None, digits: int = 1, *, sign: bool = False) -> str:
    """0.123 is 12.3%; a minus is a minus, and nothing is ever −0."""
    if value is None:
        return NONE
    shown = round(value * 100, digits) + 0.0
    return f"{shown:{'+' if sign and shown else ''},.{digits}f}%".replace("-", "−")


def probability(value: float | None) -> str:
    """A percentage that is never certain."""
    if value is not None and value > 0.999:
        return "above 99.9%"
    return percent(value)


def number(value: float | None, digits: int = 2) -> str:
    """A plain figure."""
    if value is None:
        return NONE
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def text(value: object) -> str:
    """Escaped for HTML, without marks that would turn around the figures after a name."""
    return escape(str(value).translate(_TURNS), quote=True)


def constraint_words(limits: Constraints) -> list[str]:
    """Each limit that is set, in words."""
    found = [f"total at most {percent(limits.max_total_ratio, 0)}"]
    if limits.min_total_ratio > 0:
        found.append(f"total at least {percent(limits.min_total_ratio, 0)}")
    found.append(f"each at most {percent(limits.max_weight_ratio, 0)}")
    found += [
        f"{name} at most {percent(limit, 1)}"
        for name, limit in (
            ("volatility", limits.max_volatility_ratio),
            ("drawdown", limits.max_drawdown_ratio),
            (f"CVaR {percent(limits.cvar_confidence_ratio, 0)}", limits.max_cvar_ratio),
            ("margin", limits.max_margin_ratio),
            ("turnover", limits.max_turnover_ratio),
        )
        if limit is not None
    ]
    found += [
        f"{strategy_id} {percent(each.min_ratio, 0)} to {percent(each.max_ratio, 0)}"
        for strategy_id, each in sorted(limits.bounds.items())
    ]
    found += [
        f"{each.name} ({', '.join(each.strategy_ids)}) at most {percent(each.max_ratio, 0)}"
        for each in limits.groups
    ]
    return found


def binding_words(binding: Sequence[str], most: int = 3) -> str:
    """What holds weights back; caps of single strategies are counted where they are many."""
    caps = [each for each in binding if each.startswith("at most ")]
    if len(caps) <= most:
        return "; ".join(binding) or "nothing"
    others = [each for each in binding if each not in caps]
    return "; ".join([*others, f"caps of {len(caps)} strategies"])


def terms_words(terms: WalkForward) -> list[str]:
    """How the method was tried, in words."""
    window = "all days before" if terms.anchored else f"the last {terms.train_days} days"
    found = [
        f"learned from {window}, without the last {terms.purge_days}",
        f"tested on {terms.test_days} days each",
        f"rebalanced every {terms.rebalance_days} days"
        if terms.rebalance_days > 1
        else "rebalanced daily",
        f"{terms.cost_bps:g} bps of turnover",
    ]
    if terms.financing_ratio:
        found.append(f"{percent(terms.financing_ratio)} a year above equity")
    found.append(f"overlays: {overlay_words(terms)}")
    return found


def overlay_words(terms: WalkForward) -> str:
    """What scales exposure."""
    found = []
    if terms.target_volatility_ratio is not None:
        found.append(f"volatility target {percent(terms.target_volatility_ratio)}")
    if terms.governor:
        start, stop = terms.governor_start_ratio, terms.governor_stop_ratio
        found.append(f"governor from {percent(start, 0)} to {percent(stop, 0)} of drawdown")
    return ", ".join(found) or "none"


def method_words(request: StudyRequest) -> str:
    """The method, and what it was told besides."""
    name = METHODS[request.method]
    if request.method is Method.HYBRID:
        name += f" (alpha {request.alpha_ratio:g})"
    if request.risk_free_ratio:
        name += f", cash at {percent(request.risk_free_ratio)}"
    return name
