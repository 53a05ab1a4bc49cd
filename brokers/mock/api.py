"""HTTP of the mock broker, with faults on command."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

from anyio.to_thread import current_default_thread_limiter
from fastapi import Body, FastAPI, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from brokers.broker import AccountState, BrokerPosition, MarginQuote
from brokers.mock.exchange import Exchange
from brokers.mock.matching import Refusal
from brokers.mock.messages import LastPrice
from services.domain.accounts import PreviewLeg
from services.domain.orders import Execution, Order, OrderReport
from services.domain.values import Frozen, NonNegative, Positive
from services.domain.words import OrderStatus

#: FastAPI's 40 would do for 40 accounts: the next order would wait for a reader to give up.
_THREADS: Final = 500


@asynccontextmanager
async def enough_threads(_app: FastAPI) -> AsyncIterator[None]:
    """For the life of the app: every reader of a report stream keeps one thread waiting."""
    current_default_thread_limiter().total_tokens = _THREADS
    yield


class FaultKind(StrEnum):
    """What can be made to go wrong with the next orders."""

    DROP_BEFORE_ACCEPT = "DROP_BEFORE_ACCEPT"  # never taken, never answered
    ACCEPT_THEN_SILENCE = "ACCEPT_THEN_SILENCE"  # taken, never answered
    DELAY_ANSWER = "DELAY_ANSWER"  # taken, answered late
    REJECT_NEXT = "REJECT_NEXT"


class Fault(Frozen):
    """One fault for the next `count` orders of an account; `seconds` of silence or delay."""

    account_id: str
    kind: FaultKind
    count: int = Field(1, ge=1)
    seconds: float = Field(10, ge=0, le=600)


class _Faults:
    """Faults that are waiting for their orders; in memory, because a restart heals."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting += [fault] * fault.count

    def next_for(self, account_id: str) -> Fault | None:
        with self._lock:
            for number, fault in enumerate(self._waiting):
                if fault.account_id == account_id:
                    return self._waiting.pop(number)
        return None


class Price(BaseModel):
    """A market price, in the instrument's currency."""

    price: Positive


class OpenAccount(BaseModel):
    """Cash of an account that is opened."""

    cash: NonNegative | None = None


def add_routes(app: FastAPI, exchange: Exchange) -> None:
    """The broker's interface."""
    _add_orders(app, exchange)
    _add_books(app, exchange)
    _add_market(app, exchange)


def _add_orders(app: FastAPI, exchange: Exchange) -> None:
    faults = _Faults()

    @app.post("/v1/accounts/{account_id}/orders", response_model=OrderReport)
    def place(account_id: str, order: Order) -> Response:
        """Send an order: 200 with its report, 422 where it is rejected."""
        fault = faults.next_for(account_id)
        kind = fault.kind if fault else None
        if fault and kind is FaultKind.DROP_BEFORE_ACCEPT:
            return _silence(fault)
        on_command = "rejected on command" if kind is FaultKind.REJECT_NEXT else ""
        report = exchange.place(account_id, order, reject=on_command)
        if fault and kind is FaultKind.ACCEPT_THEN_SILENCE:
            return _silence(fault)
        if fault and kind is FaultKind.DELAY_ANSWER:
            time.sleep(fault.seconds)
        return _answer(report)

    @app.post("/v1/accounts/{account_id}/orders/{client_order_id}/cancel")
    def cancel(account_id: str, client_order_id: str) -> list[OrderReport]:
        """Cancel what still rests; how the orders of this id stand afterwards."""
        return exchange.cancel(account_id, client_order_id)

    @app.get("/v1/accounts/{account_id}/orders/{client_order_id}")
    def find(account_id: str, client_order_id: str) -> list[OrderReport]:
        """Every order of this client_order_id: none, one, or more where it was sent again."""
        found = exchange.orders(account_id, client_order_id=client_order_id)
        return [report for _, report in found]

    @app.get("/v1/accounts/{account_id}/orders")
    def orders(account_id: str, open_only: bool = False) -> list[dict[str, Any]]:
        """Orders of an account with how each stands."""
        return [
            order.model_dump(mode="json") | {"report": report.model_dump(mode="json")}
            for order, report in exchange.orders(account_id, open_only=open_only)
        ]

    @app.post("/v1/faults", status_code=204)
    def add_fault(fault: Fault) -> None:
        """Make the next orders of an account go wrong."""
        faults.add(fault)


def _add_books(app: FastAPI, exchange: Exchange) -> None:
    @app.put("/v1/accounts/{account_id}", status_code=204)
    def open_account(account_id: str, wanted: OpenAccount) -> None:
        """Open an account; one that exists is left as it is."""
        exchange.open_account(account_id, wanted.cash)

    @app.get("/v1/accounts/{account_id}/executions")
    def executions(account_id: str) -> list[Execution]:
        """Every fill of an account."""
        return exchange.executions(account_id)

    @app.get("/v1/accounts/{account_id}/positions")
    def positions(account_id: str) -> list[BrokerPosition]:
        """Open positions of an account."""
        return exchange.positions(account_id)

    @app.get("/v1/accounts/{account_id}/state")
    def state(account_id: str) -> AccountState:
        """Equity and margin of an account."""
        return exchange.state(account_id)

    @app.get("/v1/accounts/{account_id}/reports")
    def reports(
        account_id: str, after: int = 0, wait_s: Annotated[float, Query(ge=0, le=30)] = 0
    ) -> Response:
        """Execution reports after a cursor; waits up to `wait_s` for one."""
        found = exchange.reports(account_id, after, wait_s)
        rows = ",".join(f'{{"cursor":"{number}","report":{body}}}' for number, body in found)
        return Response(f"[{rows}]", media_type="application/json")


def _add_market(app: FastAPI, exchange: Exchange) -> None:
    @app.post("/v1/accounts/{account_id}/margin-preview", response_model=MarginQuote)
    def preview(
        account_id: str, legs: Annotated[list[PreviewLeg], Body(min_length=1)]
    ) -> MarginQuote | Response:
        """What legs would need, all together: nothing is sent; 422 where no price is known."""
        answer = exchange.preview(account_id, legs)
        if isinstance(answer, Refusal):
            return _problem(answer.code, answer.text, 422)
        return answer

    @app.get("/v1/accounts/{account_id}/prices/{instrument_key:path}")
    def last_price(account_id: str, instrument_key: str) -> LastPrice | None:
        """The last price, the same for all accounts; null: none was set and nothing has traded."""
        return exchange.last_price(instrument_key)

    @app.put("/v1/prices/{instrument_key:path}")  # a key may hold a slash: FOREX:EUR/USD:USD
    def set_price(instrument_key: str, wanted: Price) -> dict[str, int]:
        """Move the market of an instrument; how many resting orders it filled."""
        return {"filled": exchange.set_price(instrument_key, wanted.price)}

    @app.get("/v1/prices")
    def prices() -> dict[str, Decimal]:
        """All prices that were set."""
        return exchange.prices()


def _answer(report: OrderReport) -> Response:
    if report.status is OrderStatus.REJECTED:
        code, _, text = report.text.partition(": ")
        return _problem(code, text, 422)
    return Response(report.model_dump_json(), media_type="application/json")


def _silence(fault: Fault) -> Response:
    time.sleep(fault.seconds)
    return _problem("NO_ANSWER", "the broker does not say what became of the order", 504)


def _problem(code: str, message: str, status: int) -> Response:
    return JSONResponse({"code": code, "message": message}, status)
