"""What the IBKR adapter needs around its orders: checks, the day, the pace, the figures."""

import asyncio
import itertools
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from brokers.errors import BrokerUnavailable
from brokers.ibkr.answers import Answers
from brokers.ibkr.api import Contract
from brokers.ibkr.contracts import instrument_of
from brokers.ibkr.holdings import Held, positions_of, state_of
from brokers.ibkr.hours import day_began, in_nightly_reset
from brokers.ibkr.link import IbkrLink, missing_account, mixture, type_of_account
from brokers.ibkr.pacing import Pacer, Rank
from services.domain.words import AccountType

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


def link(port=5000, account="X1"):
    return IbkrLink(port=port, client_id=1, broker_account=account)


@pytest.mark.parametrize(
    ("port", "account", "account_type", "words"),
    [
        (4002, "DU123", AccountType.PAPER, ""),
        (4001, "U123", AccountType.LIVE, ""),
        (5000, "F123", AccountType.LIVE, ""),
        (5000, "Sim", AccountType.LIVE, ""),
        (4001, "DU123", AccountType.PAPER, "port 4001 is a LIVE gateway's"),
        (7497, "U123", AccountType.LIVE, "port 7497 is a PAPER gateway's"),
        (4002, "DU123", AccountType.LIVE, "DU123 is a PAPER account"),
        (5000, "U123", AccountType.PAPER, "U123 is a LIVE account"),
    ],
)
def test_live_and_paper_are_not_mixed(port, account, account_type, words):
    found = mixture(link(port, account), account_type)
    assert (words in found) if words else not found


def test_names_of_accounts():
    assert type_of_account("DF77") is AccountType.PAPER
    assert type_of_account("I77") is AccountType.LIVE
    assert type_of_account("x") is None


def test_an_account_must_be_of_the_login():
    assert not missing_account(link(account="DU1"), ["DU2", "DU1"])
    assert "it has DU2, DU3" in missing_account(link(account="DU1"), ["DU3", "DU2"])


@pytest.mark.parametrize("wrong", [{"client_id": 0}, {"port": 0}, {"broker_account": ""}])
def test_a_link_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        IbkrLink(**{"port": 4002, "client_id": 1, "broker_account": "DU1", **wrong})


@pytest.mark.parametrize(
    ("moment", "resets"),
    [
        ("2026-11-20T04:44:59", False),  # 23:44:59 in New York, winter
        ("2026-11-20T04:45:00", True),
        ("2026-11-20T05:44:59", True),
        ("2026-11-20T05:45:00", False),
        ("2026-07-20T03:45:00", True),  # summer
        ("2026-07-20T04:45:00", False),
    ],
)
def test_the_nightly_reset_is_new_yorks(moment, resets):
    assert in_nightly_reset(datetime.fromisoformat(moment).replace(tzinfo=UTC)) is resets


@pytest.mark.parametrize(
    ("moment", "here", "since"),
    [
        ("2026-11-20T15:30", "UTC", "2026-11-20T05:00"),  # New York's
        ("2026-07-20T03:59", "UTC", "2026-07-20T00:00"),  # New York's is yesterday's, 04:00
        ("2026-11-20T19:00", "Asia/Kolkata", "2026-11-20T18:30"),
    ],
)
def test_ib_remembers_since_the_latest_midnight_that_a_gateway_may_have(moment, here, since):
    now, wanted = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (moment, since))
    assert day_began(now, ZoneInfo(here)) == wanted


ROWS = {
    "NetLiquidation": "1000.50",
    "TotalCashValue": "900",
    "InitMarginReq": "100",
    "MaintMarginReq": "80",
    "AvailableFunds": "900.50",
    "BuyingPower": "3600",
}


def rows(**more):
    return [("DU1", tag, value, "EUR") for tag, value in {**ROWS, **more}.items()]


def test_the_figures_of_an_account_in_its_own_currency():
    rates = [("DU1", "ExchangeRate", "0.92", "USD"), ("DU1", "ExchangeRate", "1.00", "EUR")]
    rates += [("DU1", "ExchangeRate", "1.00", "BASE"), ("DU1", "ExchangeRate", "0.0", "JPY")]
    state = state_of("acc", [*rows(), ("DU1", "NetLiquidation", "7", "BASE"), *rates], NOW)
    assert (state.currency, state.equity, state.cash) == ("EUR", Decimal("1000.50"), 900)
    assert state.fx_rates == {"USD": Decimal("0.92")}


@pytest.mark.parametrize("tag", sorted(ROWS))
@pytest.mark.parametrize("value", ["", "1.7976931348623157E308", "NaN"])
def test_a_figure_that_is_not_told_is_an_error_and_never_zero(tag, value):
    with pytest.raises(BrokerUnavailable, match=tag):
        state_of("acc", rows(**{tag: value}), NOW)


def test_costs_of_contracts_are_prices_of_units():
    contract = Contract(
        secType="FUT",
        conId=1,
        symbol="ES",
        currency="USD",
        exchange="CME",
        multiplier="50",
        lastTradeDateOrContractMonth="20261218",
    )
    (held,) = positions_of([Held(contract, Decimal(-2), Decimal(250000))], instrument_of)
    assert (held.quantity, held.average_price) == (-2, 5000)


def test_what_is_held_under_one_name_is_one_position():
    contract = Contract(secType="STK", symbol="A", currency="USD", exchange="SMART")
    found = [Held(contract, Decimal(3), Decimal(10)), Held(contract, Decimal(-3), Decimal(11))]
    assert positions_of(found, instrument_of) == []


def test_orders_go_before_questions_and_never_more_than_the_budget():
    async def run():
        pacer, went = Pacer(10, 3), []

        async def go(rank, number):
            await pacer.turn(rank)
            went.append((asyncio.get_running_loop().time(), rank, number))

        tasks = [asyncio.create_task(go(Rank.QUESTION, number)) for number in range(8)]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(go(Rank.ORDER, number)) for number in range(4)]
        await asyncio.gather(*tasks)
        return went

    went = asyncio.run(run())
    assert [number for _, rank, number in went if rank is Rank.ORDER] == [0, 1, 2, 3]
    ranks = [rank for _, rank, _ in went]
    assert ranks[3:7] == [Rank.ORDER] * 4  # three questions had gone when they came
    times = [moment for moment, *_ in went]
    for place, before in enumerate(times):
        for count, after in enumerate(times[place:], start=1):
            assert count <= 3 + (after - before) * 10 + 0.01


def test_no_question_starves_behind_orders_without_end():
    async def run():
        pacer, went = Pacer(1000, 1), []

        async def go(rank):
            await pacer.turn(rank)
            went.append(rank)

        tasks = [asyncio.create_task(go(Rank.ORDER)), asyncio.create_task(go(Rank.QUESTION))]
        tasks += [asyncio.create_task(go(Rank.ORDER)) for _ in range(60)]
        await asyncio.gather(*tasks)
        return went.index(Rank.QUESTION)

    assert 10 < asyncio.run(run()) <= 1 + Rank.QUESTION


def test_several_messages_of_one_order_go_together():
    async def run():
        pacer, went = Pacer(20, 3), []

        async def go(name, size):
            await pacer.turn(Rank.ORDER, size)
            went.append(name)

        await asyncio.gather(go("one", 2), go("two", 2), go("three", 1))
        return went

    assert asyncio.run(run()) == ["one", "two", "three"]


def test_who_gives_up_his_place_takes_no_budget():
    async def run():
        pacer = Pacer(5, 1)
        await pacer.turn(Rank.ORDER)
        waiting = [asyncio.create_task(pacer.turn(Rank.ORDER)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting[:4]:
            task.cancel()
        await asyncio.wait_for(waiting[4], 10)
        return list(itertools.compress(range(5), [each.cancelled() for each in waiting]))

    assert asyncio.run(run()) == [0, 1, 2, 3]


def test_an_answer_that_nobody_waits_for_is_dropped():
    async def run():
        answers = Answers()
        answers.row(1, "early")
        done = answers.begin(1)
        answers.row(1, "row")
        answers.end(1)
        answers.end(1)
        lost = answers.begin(2)
        answers.fail_all(BrokerUnavailable("gone"))
        with pytest.raises(BrokerUnavailable):
            await lost
        return await done

    assert asyncio.run(run()) == ["row"]
