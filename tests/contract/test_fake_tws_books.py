"""What the fake gateway tells `ib_async.IB` of contracts, accounts, positions and prices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.fake_tws import ACCOUNT, OTHER_ACCOUNT, run, until

ibx = pytest.importorskip("ib_async")

pytest_plugins = ("tests.support.fake_tws_fixtures",)
pytestmark = pytest.mark.servers


def infy():
    return ibx.Stock("INFY", "NSE", "INR")


async def known(ib, symbol="INFY"):
    """A stock with its conId: without it ib_async watches nothing."""
    (found,) = await ib.qualifyContractsAsync(ibx.Stock(symbol, "NSE", "INR"))
    return found


def market(side="BUY", quantity=10, **fields):
    return ibx.MarketOrder(side, quantity, account=ACCOUNT, **fields)


@pytest.mark.parametrize(
    ("wanted", "tick", "step", "kind"),
    [
        (infy, 0.05, 1, "COMMON"),
        (lambda: ibx.Stock("SPY", "SMART", "USD"), 0.01, 1, "ETF"),
        (lambda: ibx.Forex("EURUSD"), 0.00005, 1, ""),
        (lambda: ibx.Crypto("BTC", "PAXOS", "USD"), 0.25, 1e-8, ""),
    ],
)
def test_a_contract_has_its_steps(tws, wanted, tick, step, kind):
    async def act(ib):
        (found,) = await ib.reqContractDetailsAsync(wanted())
        assert (found.minTick, found.sizeIncrement, found.stockType) == (tick, step, kind)
        by_id = ibx.Contract(conId=found.contract.conId, exchange=found.contract.exchange)
        (again,) = await ib.reqContractDetailsAsync(by_id)
        assert again.contract == found.contract
        assert found.tradingHours

    run(ibx, tws, act)


def test_a_part_of_a_description_gives_all_that_it_fits(tws):
    async def act(ib):
        months = await ib.reqContractDetailsAsync(ibx.Future("GC", exchange="COMEX"))
        expiries = [each.contract.lastTradeDateOrContractMonth for each in months]
        assert len(expiries) == 4
        assert expiries == sorted(expiries)
        assert min(expiries) > f"{datetime.now(UTC):%Y%m%d}"
        assert {each.contract.multiplier for each in months} == {"100"}
        (one,) = await ib.reqContractDetailsAsync(
            ibx.Future("GC", expiries[1][:6], exchange="COMEX")
        )
        assert one.contract.localSymbol == months[1].contract.localSymbol
        chain = await ib.reqContractDetailsAsync(ibx.Option("SPY", exchange="SMART", right="C"))
        (parameters,) = await ib.reqSecDefOptParamsAsync("SPY", "", "STK", 0)
        assert len(chain) == len(parameters.expirations) * len(parameters.strikes)
        assert await ib.reqContractDetailsAsync(ibx.Stock("NEVER", "SMART", "USD")) == []
        assert ib.errors[-1][1] == 200

    run(ibx, tws, act)


def test_a_future_is_traded_with_its_multiplier(tws):
    async def act(ib):
        found = (await ib.reqContractDetailsAsync(ibx.Future("ES", exchange="CME")))[0].contract
        day = datetime.strptime(found.lastTradeDateOrContractMonth, "%Y%m%d").date()  # noqa: DTZ007
        tws.price(5000, f"FUTURE:ES:USD:{day}")
        trade = ib.placeOrder(found, market(quantity=1))
        await filled(trade)
        (position,) = await ib.reqPositionsAsync()
        assert position.avgCost == 250_000  # 5000 × 50
        assert position.contract.localSymbol == found.localSymbol

    run(ibx, tws, act)


def filled(trade):
    return until(lambda: trade.orderStatus.status == "Filled")


def values(rows, tag):
    return {(each.account, each.currency): each.value for each in rows if each.tag == tag}


def test_an_account_has_values_by_currency_and_rates(tws):
    tws.price("85", "FOREX:USDINR:INR")

    async def act(ib):
        trade = ib.placeOrder(infy(), market())
        await filled(trade)
        await ib.reqAccountUpdatesMultiAsync(ACCOUNT)
        rows = ib.accountValues(ACCOUNT)
        own = (ACCOUNT, "INR")
        # 1,000,000 − 10 × 150 − 1
        assert values(rows, "TotalCashValue")[own] == "998499"
        assert values(rows, "NetLiquidation")[own] == "999999"
        assert values(rows, "InitMarginReq")[own] == "750"
        assert values(rows, "ExcessLiquidity")[own] == "999624"
        assert values(rows, "ExchangeRate")[ACCOUNT, "USD"] == "85"
        assert values(rows, "CashBalance")[ACCOUNT, "BASE"] == "998499"

    run(ibx, tws, act)


def test_a_summary_is_of_all_accounts(tws):
    async def act(ib):
        rows = await ib.accountSummaryAsync()
        assert set(values(rows, "NetLiquidation")) == {(ACCOUNT, "INR"), (OTHER_ACCOUNT, "INR")}

    run(ibx, tws, act)


def test_changes_of_accounts_and_positions_follow(tws):
    async def act(ib):
        await ib.reqAccountUpdatesAsync(ACCOUNT)
        for side in ("BUY", "SELL"):
            trade = ib.placeOrder(infy(), market(side))
            await filled(trade)
            held = 10 if side == "BUY" else 0
            await until(lambda held=held: sum(each.position for each in ib.positions()) == held)
        await until(
            lambda: values(ib.accountValues(), "TotalCashValue")[ACCOUNT, "INR"] == "999998"
        )
        assert await until(lambda: ib.portfolio() == [])

    run(ibx, tws, act)


def test_an_account_that_is_none_is_an_error(tws):
    async def act(ib):
        ib.client.reqAccountUpdatesMulti(number := ib.client.getReqId(), "DU9", "", False)
        assert await until(lambda: (number, 321) in ib.errors)

    run(ibx, tws, act)


def test_a_snapshot_is_of_now_and_says_nothing_where_nobody_knows(tws):
    async def act(ib):
        (ticker,) = await ib.reqTickersAsync(await known(ib))
        assert (ticker.bid, ticker.ask, ticker.last) == (150, 150, 150)
        assert datetime.now(UTC) - ticker.time < timedelta(minutes=1)
        (unknown,) = await ib.reqTickersAsync(await known(ib, "RELIANCE"))
        assert unknown.last != unknown.last  # NaN: no price was said

    run(ibx, tws, act)


def test_prices_that_are_watched_follow(tws):
    async def act(ib):
        contract, seen = await known(ib), []
        ticker = ib.reqMktData(contract)
        ticker.updateEvent += lambda each: seen.extend(tick.price for tick in each.tickByTicks)
        await until(lambda: ticker.last == 150)
        tws.price(151)
        await until(lambda: ticker.last == 151)
        ib.cancelMktData(contract)
        ib.reqTickByTickData(contract, "AllLast").updateEvent += lambda each: seen.extend(
            tick.price for tick in each.tickByTicks
        )
        await until(lambda: 151 in seen)
        tws.price(152)
        assert await until(lambda: 152 in seen)

    run(ibx, tws, act)


@pytest.mark.parametrize(("kind", "code"), [("NONE", 354), ("DELAYED", 10167)])
def test_market_data_may_be_denied_or_delayed(tws, kind, code):
    tws.call("PUT", "/v1/tws/market-data", {"kind": kind})

    async def act(ib):
        ib.reqMarketDataType(3)
        ticker = ib.reqMktData(await known(ib), snapshot=True)
        await until(lambda: code in {each for _, each in ib.errors})
        if kind == "DELAYED":
            assert await until(lambda: ticker.last == 150)

    run(ibx, tws, act)


def test_executions_can_be_filtered(tws):
    async def act(ib):
        for side in ("BUY", "SELL"):
            trade = ib.placeOrder(infy(), market(side))
            await filled(trade)
        count = {}
        later = f"{datetime.now(UTC) + timedelta(hours=1):%Y%m%d-%H:%M:%S}"
        earlier = f"{datetime.now(UTC) - timedelta(hours=1):%Y%m%d-%H:%M:%S}"
        for name, fields in {
            "side": {"side": "BUY"},
            "client": {"clientId": 7},
            "other client": {"clientId": 8},
            "symbol": {"symbol": "TCS"},
            "later": {"time": later},
            "earlier": {"time": earlier},
        }.items():
            count[name] = len(await ib.reqExecutionsAsync(ibx.ExecutionFilter(**fields)))
        assert count == {
            "side": 1,
            "client": 2,
            "other client": 0,
            "symbol": 0,
            "later": 0,
            "earlier": 2,
        }

    run(ibx, tws, act)


def test_how_much_a_client_has_sent_is_counted(tws):
    async def act(ib):
        before = tws.call("GET", "/v1/tws/clients")["messages"]["7"]
        await ib.reqCurrentTimeAsync()
        after = tws.call("GET", "/v1/tws/clients")
        assert after["connected"] == [7]
        assert after["messages"]["7"] == before + 1
        assert 0 < after["most_in_a_second"]["7"] <= 50

    run(ibx, tws, act)


def test_a_price_is_the_last_trades_where_nobody_has_set_one(tws):
    instrument = {"instrument_type": "STOCK", "symbol": "RELIANCE", "currency": "INR"}
    body = {"instrument": instrument, "side": "BUY", "quantity": "1", "price": "1400"}
    tws.call("POST", f"/v1/accounts/{ACCOUNT}/manual-orders", body)

    async def act(ib):
        (ticker,) = await ib.reqTickersAsync(await known(ib, "RELIANCE"))
        assert ticker.last == 1400

    run(ibx, tws, act)
