"""A drill's plan: a seed repeats it, and options make its worst worse."""

from __future__ import annotations

from typing import Any

from scripts.drill.plan import MOST_SECONDS, Kind, Plan, make


def plan(**options: Any) -> Plan:
    size: dict[str, Any] = {"signals": 50, "rate": 5, "faults": 60}
    return make(7, strategies=["S1"], accounts=["Mock-1"], **size, **options)


def freezes(made: Plan) -> list[float]:
    return [fault.seconds for fault in made.faults if fault.kind is Kind.FREEZE]


def test_a_seed_makes_the_same_plan() -> None:
    assert plan() == plan()


def test_options_make_clocks_worse_and_freezes_longer_and_change_nothing_else() -> None:
    usual, worse = plan(), plan(skew_seconds=300, freeze_seconds=30)
    assert max(freezes(usual)) <= MOST_SECONDS < max(freezes(worse)) <= 30
    assert max(map(abs, usual.skews.values())) <= 20 < max(map(abs, worse.skews.values())) <= 300
    assert usual.sendings == worse.sendings
    others = [
        [fault for fault in made.faults if fault.kind is not Kind.FREEZE] for made in (usual, worse)
    ]
    assert others[0] == others[1]
