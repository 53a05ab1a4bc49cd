"""HTTP of the mock broker for tests and by hand: the market, faults, trades that are not ours."""

from __future__ import annotations

from decimal import Decimal

from fastapi import FastAPI
from fastapi.responses import Response
from pydantic import BaseModel

from brokers.mock.calls import problem, raw
from brokers.mock.exchange import Exchange
from brokers.mock.faults import Fault, Faults
from brokers.mock.feeds import Feed, FeedRunner
from brokers.mock.margin import Refusal
from brokers.mock.market import Market
from brokers.mock.matching import Take
from brokers.mock.revisions import Revision
from services.domain.instruments import Instrument
from services.domain.orders import Order, OrderReport
from services.domain.values import Frozen, NonNegative, Positive
from services.domain.words import Environment, Intent, OrderType, Side, TimeInForce


class Price(BaseModel):
    """A market price, in the instrument's currency."""

    price: Positive


class OpenAccount(BaseModel):
    """Cash of an account that is opened."""

    cash: NonNegative | None = None


class ManualOrder(Frozen):
    """An order that somebody gives to the broker past us; `price`: as he sees the market."""

    instrument: Instrument
    side: Side
    quantity: Positive
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Positive | None = None
    stop_price: Positive | None = None
    price: Positive | None = None

    def order_of(self, account_id: str) -> Order:
        """As the broker keeps it: without an id of ours."""
        return Order(
            client_order_id="",
            signal_id="",
            strategy_id="",
            account_id=account_id,
            leg_index=0,
            intent=Intent.ENTRY,
            reference_price=self.price,
            environment=Environment.PRODUCTION,
            **self.model_dump(exclude={"price", "instrument"}),
            instrument=self.instrument,
        )


class ForcedFill(Frozen):
    """A fill of an order of ours, whatever its state and its size."""

    client_order_id: str
    quantity: Positive
    price: Positive


def add_routes(app: FastAPI, exchange: Exchange, faults: Faults, feeds: FeedRunner) -> None:
    """What no broker's client could ask."""
    _add_market(app, exchange, feeds)
    _add_faults(app, exchange, faults, feeds)
    _add_accounts(app, exchange)


def _add_market(app: FastAPI, exchange: Exchange, feeds: FeedRunner) -> None:
    @app.put("/v1/prices/{instrument_key:path}")  # a key may hold a slash: FOREX:EUR/USD:USD
    def set_price(instrument_key: str, wanted: Price) -> dict[str, int]:
        """Move the market of an instrument; how many resting orders it filled."""
        return {"filled": exchange.set_price(instrument_key, wanted.price)}

    @app.get("/v1/prices")
    def prices() -> dict[str, Decimal]:
        """All prices that were set."""
        return exchange.prices()

    @app.get("/v1/market")
    def market() -> Market:
        """How the market is."""
        return exchange.market

    @app.put("/v1/market")
    def set_market(wanted: Market) -> Market:
        """Another spread, depth, slippage, latency or other hours; what is not named is off."""
        exchange.set_market(wanted)
        return exchange.market

    @app.post("/v1/feeds", status_code=204)
    def play(feed: Feed) -> None:
        """Let prices move by themselves, by a script or a random walk, in place of another."""
        feeds.play(feed)

    @app.delete("/v1/feeds", status_code=204)
    def stop_feed() -> None:
        """Leave prices where they are."""
        feeds.stop()


def _add_faults(app: FastAPI, exchange: Exchange, faults: Faults, feeds: FeedRunner) -> None:
    @app.post("/v1/faults", status_code=204)
    def add_fault(fault: Fault) -> None:
        """Make the next calls of an account go wrong."""
        faults.add(fault)

    @app.delete("/v1/faults", status_code=204)
    def clear_faults(account_id: str | None = None) -> None:
        """Let nothing go wrong any more, with one account or with all."""
        faults.clear(account_id)

    @app.post("/v1/start-over", status_code=204)
    def start_over() -> None:
        """Forget everything: all accounts, orders, prices, faults."""
        feeds.stop()
        faults.clear()
        exchange.start_over()


def _add_accounts(app: FastAPI, exchange: Exchange) -> None:
    @app.put("/v1/accounts/{account_id}", status_code=204)
    def open_account(account_id: str, wanted: OpenAccount) -> None:
        """Open an account; one that exists is left as it is."""
        exchange.open_account(account_id, wanted.cash)

    @app.put("/v1/accounts/{account_id}/capabilities")
    def set_capabilities(account_id: str, wanted: dict[str, object]) -> Response:
        """Take something from an account, or give it back: an object of what changes."""
        try:
            given = exchange.set_capabilities(account_id, wanted)
        except ValueError as error:
            return problem("BAD_CAPABILITIES", str(error), 422)
        return raw(given.model_dump_json())

    @app.post("/v1/accounts/{account_id}/manual-orders")
    def trade_by_hand(account_id: str, wanted: ManualOrder) -> Response:
        """Trade past us: its reports carry no client_order_id."""
        return raw(exchange.place(account_id, wanted.order_of(account_id)).model_dump_json())

    @app.post("/v1/accounts/{account_id}/manual-orders/{broker_order_id}/cancel")
    def cancel_by_hand(account_id: str, broker_order_id: str) -> Response:
        """Cancel any order, ours too, past us."""
        return _told(exchange.cancel_by_hand(account_id, broker_order_id))

    @app.post("/v1/accounts/{account_id}/fills")
    def fill(account_id: str, wanted: ForcedFill) -> Response:
        """Fill an order as wanted: partly, too much, or after its end."""
        take = Take(wanted.price, wanted.quantity)
        return _told(exchange.fill(account_id, wanted.client_order_id, take))

    @app.post("/v1/accounts/{account_id}/revisions")
    def revise(account_id: str, wanted: Revision) -> Response:
        """Correct a fill, or take it back."""
        return _told(exchange.revise(account_id, wanted))


def _told(answer: OrderReport | Refusal) -> Response:
    if isinstance(answer, Refusal):
        return problem(answer.code, answer.text, 404)
    return raw(answer.model_dump_json())
