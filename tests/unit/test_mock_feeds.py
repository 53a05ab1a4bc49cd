"""Prices that move by themselves."""

from decimal import Decimal
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from brokers.mock.feeds import FeedRunner, Script, Walk, read_feed, ticks_of
from tests.support.broker_orders import eventually

CSV = "after_s,instrument_key,price\n2,STOCK:AAPL:USD,151.50\n0.5,STOCK:MSFT:USD,300\n"
WALK = Walk(prices={"B": "100.00", "A": "1.25"}, seed=7, steps=50, interval_s=2)


def test_a_script_is_played_in_the_order_of_time(tmp_path):
    (tmp_path / "day.csv").write_text(CSV)
    feed = read_feed(tmp_path / "day.csv")
    found = [(each.after_s, each.instrument_key, each.price) for each in ticks_of(feed)]
    assert found == [
        (0.5, "STOCK:MSFT:USD", Decimal(300)),
        (2, "STOCK:AAPL:USD", Decimal("151.50")),
    ]
    faster = feed.model_copy(update={"speed": 10})
    assert [each.after_s for each in ticks_of(faster)] == [0.05, 0.2]


def test_a_walk_is_the_same_for_the_same_seed_and_begins_where_it_is_told(tmp_path):
    (tmp_path / "walk.json").write_text(WALK.model_dump_json())
    again = list(ticks_of(read_feed(tmp_path / "walk.json")))
    assert again == list(ticks_of(WALK))
    assert len(again) == 100
    assert [(each.instrument_key, each.price) for each in again[:2]] == [
        ("A", Decimal("1.25")),
        ("B", Decimal("100.00")),
    ]
    assert [each.after_s for each in again[:4]] == [0, 0, 2, 2]
    assert list(ticks_of(WALK.model_copy(update={"seed": 8}))) != again


@given(st.integers(), st.decimals("0.01", "5000", places=2), st.integers(0, 1000))
def test_a_walk_never_reaches_nothing(seed, price, volatility):
    walk = Walk(prices={"A": price}, seed=seed, volatility_bps=volatility)
    ticks = list(islice(ticks_of(walk), 60))
    assert all(each.price >= Decimal("0.01") for each in ticks)
    assert all(before.after_s <= after.after_s for before, after in pairwise(ticks))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", ""),
        ("a.csv", "after_s,instrument_key,price\n"),
        ("a.csv", "after_s,instrument_key,price\n0,A,-1\n"),
        ("a.csv", "seconds,key,price\n0,A,1\n"),
        ("a.csv", "after_s,instrument_key,price\n0,A\n"),
        ("a.json", ""),
        ("a.json", '{"kind": "WALK", "prices": {}}'),
        ("a.json", '{"kind": "DREAM"}'),
        ("a.json", '{"kind": "SCRIPT", "ticks": [{"after_s": 0, "price": "1"}]}'),
    ],
)
def test_what_is_no_feed_says_so(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValidationError):
        read_feed(tmp_path / name)


def test_one_feed_is_played_at_a_time():
    prices = []
    runner = FeedRunner(lambda key, price: prices.append((key, price)))
    runner.play(Walk(prices={"SLOW": "1"}, interval_s=3600))
    eventually(lambda: prices)
    fast = {"ticks": [{"after_s": 0, "instrument_key": "A", "price": "2"}]}
    runner.play(Script.model_validate(fast))
    eventually(lambda: not runner.plays())
    assert prices == [("SLOW", Decimal(1)), ("A", Decimal(2))]
    runner.stop()
    runner.stop()
