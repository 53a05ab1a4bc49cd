"""When a process that died starts again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scripts.launcher.policy import SLOWEST_DELAY_S, RestartPolicy, Verdict


def deaths(*instants: float, alive_s: float = 1.0) -> list[Verdict]:
    policy, verdicts = RestartPolicy(), []
    for instant in instants:
        verdicts.append(policy.died(now=instant, alive_s=alive_s))
        policy = verdicts[-1].policy
    return verdicts


def test_first_death_is_answered_after_half_a_second() -> None:
    assert deaths(100.0)[0].delay_s == 0.5


def test_delay_doubles_with_each_death() -> None:
    # 61 s apart: never three within a minute, yet each life was shorter than 30 s
    instants = [100.0 + 61 * n for n in range(7)]
    assert [v.delay_s for v in deaths(*instants)] == [0.5, 1, 2, 4, 8, 15, 15]


def test_thirty_seconds_of_life_reset_the_delay() -> None:
    policy = deaths(100.0, 161.0, 222.0)[-1].policy
    assert policy.died(now=300.0, alive_s=30.0).delay_s == 0.5
    assert policy.died(now=300.0, alive_s=29.9).delay_s == 4


def test_third_death_within_a_minute_is_an_incident() -> None:
    assert [v.incident for v in deaths(100.0, 120.0, 159.9)] == [False, False, True]


def test_third_death_after_a_minute_is_none() -> None:
    assert [v.incident for v in deaths(100.0, 120.0, 160.0)] == [False, False, False]


def test_after_an_incident_restarts_go_on_at_the_slowest_delay() -> None:
    verdicts = deaths(1.0, 2.0, 3.0, 20.0, 100.0)
    assert [v.delay_s for v in verdicts] == [0.5, 1, 15, 15, 15]


def test_one_series_of_deaths_is_one_incident() -> None:
    verdicts = deaths(*[float(n) for n in range(10)])
    assert sum(v.incident for v in verdicts) == 1


def test_a_stable_life_ends_the_series() -> None:
    policy = deaths(1.0, 2.0, 3.0)[-1].policy.died(now=100.0, alive_s=82.0).policy
    again = policy.died(now=101.0, alive_s=0.5)
    assert not again.incident
    assert again.policy.died(now=102.0, alive_s=0.5).incident


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), max_size=30))
def test_every_death_is_answered_within_the_slowest_delay(
    lives: list[tuple[float, float]],
) -> None:
    policy, now = RestartPolicy(), 0.0
    for gap, alive in lives:
        now += gap + alive
        verdict = policy.died(now=now, alive_s=alive)
        policy = verdict.policy
        assert 0.5 <= verdict.delay_s <= SLOWEST_DELAY_S
        assert len(policy.deaths) <= len(lives)
