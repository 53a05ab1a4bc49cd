"""HTTP of the mock broker: what a broker's clients ask. By hand and in tests: `commands.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final

from anyio.to_thread import current_default_thread_limiter
from fastapi import Body, FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from brokers.broker import BrokerPosition
from brokers.mock.calls import Calls, problem, raw
from brokers.mock.exchange import Exchange
from brokers.mock.faults import Step
from brokers.mock.margin import Refusal
from brokers.mock.messages import in_words
from brokers.mock.twists import Twist
from services.domain.accounts import PreviewLeg
from services.domain.orders import Order, OrderReport, OrderTerms
from services.domain.words import OrderStatus

#: FastAPI's 40 would do for 40 accounts: the next order would wait for a reader to give up.
_THREADS: Final = 500
_POSITIONS: Final = TypeAdapter(list[BrokerPosition])


@asynccontextmanager
async def enough_threads(_app: FastAPI) -> AsyncIterator[None]:
    """For the life of the app: every reader of a report stream keeps one thread waiting."""
    current_default_thread_limiter().total_tokens = _THREADS
    yield


class Bracket(BaseModel):
    """An entry and what guards it."""

    entry: Order
    guards: Annotated[list[Order], Body(min_length=1)]


def add_routes(app: FastAPI, exchange: Exchange, calls: Calls) -> None:
    """The broker's interface."""
    app.add_exception_handler(RequestValidationError, _unreadable)
    _add_placing(app, exchange, calls)
    _add_changing(app, exchange, calls)
    _add_orders(app, exchange, calls)
    _add_books(app, exchange, calls)
    _add_prices(app, exchange, calls)


def _add_placing(app: FastAPI, exchange: Exchange, calls: Calls) -> None:
    async def place(request: Request) -> Response:
        """Send an order: 200 with its report, 422 where it is rejected or cannot be read."""
        body = await request.body()
        return await run_in_threadpool(take, request.path_params["account_id"], body)

    def take(account_id: str, body: bytes) -> Response:
        try:
            order = Order.model_validate_json(body)
        except ValidationError as error:
            return problem("BAD_ORDER", f"the order cannot be read: {in_words(error)}", 422)

        def carry_out(twist: Twist) -> Response:
            report = exchange.place(account_id, order, twist=twist)
            return _refused([report]) or raw(report.model_dump_json())

        return calls.run(account_id, Step.PLACE, carry_out)

    # Not FastAPI's own way: it would cost as much again as everything else that an order does.
    app.add_route("/v1/accounts/{account_id}/orders", place, methods=["POST"])

    @app.post("/v1/accounts/{account_id}/brackets")
    def place_bracket(account_id: str, bracket: Bracket) -> Response:
        """Send an entry with its guards: 200 with a report each, 422 where they are rejected."""

        def carry_out(twist: Twist) -> Response:
            entry, guards = bracket.entry, bracket.guards
            reports = exchange.place_bracket(account_id, entry, guards, twist=twist)
            return _refused(reports) or _reports(reports)

        return calls.run(account_id, Step.BRACKET, carry_out)

    @app.post("/v1/accounts/{account_id}/combos")
    def place_combo(
        account_id: str, legs: Annotated[list[Order], Body(min_length=2, max_length=20)]
    ) -> Response:
        """Send legs to be filled all or none: 200 with a report each, 422 where rejected."""

        def carry_out(twist: Twist) -> Response:
            reports = exchange.place_combo(account_id, legs, twist=twist)
            return _refused(reports) or _reports(reports)

        return calls.run(account_id, Step.COMBO, carry_out)


def _add_changing(app: FastAPI, exchange: Exchange, calls: Calls) -> None:
    @app.put("/v1/accounts/{account_id}/orders/{client_order_id}/terms")
    def modify(account_id: str, client_order_id: str, terms: OrderTerms) -> Response:
        """Change an order: 200 with its report, 422 where it stays as it was, 409 where doubled."""

        def carry_out(twist: Twist) -> Response:
            answer = exchange.modify(account_id, client_order_id, terms, twist=twist)
            if isinstance(answer, Refusal):
                return problem(*answer, 409 if answer.code == "DOUBLED_ORDER" else 422)
            return raw(answer.model_dump_json())

        return calls.run(account_id, Step.MODIFY, carry_out)

    @app.post("/v1/accounts/{account_id}/orders/{client_order_id}/cancel")
    def cancel(account_id: str, client_order_id: str) -> Response:
        """Cancel what still works; how the orders of this id stand afterwards."""

        def carry_out(twist: Twist) -> Response:
            return _reports(exchange.cancel(account_id, client_order_id, twist=twist))

        return calls.run(account_id, Step.CANCEL, carry_out)


def _add_orders(app: FastAPI, exchange: Exchange, calls: Calls) -> None:
    @app.post("/v1/accounts/{account_id}/orders/find")
    def find_many(
        account_id: str, client_order_ids: Annotated[list[str], Body(max_length=10_000)]
    ) -> Response:
        """Every order of these ids."""

        def carry_out(_twist: Twist) -> Response:
            found = exchange.orders(account_id, client_order_ids=client_order_ids)
            return _reports([report for _, report in found])

        return calls.run(account_id, Step.QUERY, carry_out)

    @app.get("/v1/accounts/{account_id}/orders/{client_order_id}")
    def find(account_id: str, client_order_id: str) -> Response:
        """Every order of this client_order_id: none, one, or more where it was sent again."""
        return find_many(account_id, [client_order_id])

    @app.get("/v1/accounts/{account_id}/orders")
    def orders(account_id: str, open_only: bool = False) -> Response:
        """Orders of an account with how each stands; one without client_order_id is foreign."""

        def carry_out(_twist: Twist) -> Response:
            rows = (
                f'{order.model_dump_json()[:-1]},"report":{report.model_dump_json()}}}'
                for order, report in exchange.orders(account_id, open_only=open_only)
            )
            return raw(f"[{','.join(rows)}]")

        return calls.run(account_id, Step.QUERY, carry_out)

    @app.get("/v1/accounts/{account_id}/reports")
    def reports(
        account_id: str, after: int = 0, wait_s: Annotated[float, Query(ge=0, le=30)] = 0
    ) -> Response:
        """Execution reports after a cursor; waits up to `wait_s` for one."""

        def carry_out(_twist: Twist) -> Response:
            found = exchange.reports(account_id, after, wait_s)
            rows = ",".join(f'{{"cursor":"{number}","report":{body}}}' for number, body in found)
            return raw(f"[{rows}]")

        return calls.run(account_id, Step.STREAM, carry_out)


def _add_books(app: FastAPI, exchange: Exchange, calls: Calls) -> None:
    @app.get("/v1/accounts/{account_id}/executions")
    def executions(account_id: str, since: AwareDatetime | None = None) -> Response:
        """Every fill of an account and every revision of one, oldest first."""

        def carry_out(_twist: Twist) -> Response:
            return raw(f"[{','.join(exchange.executions(account_id, since))}]")

        return calls.run(account_id, Step.QUERY, carry_out)

    @app.get("/v1/accounts/{account_id}/positions")
    def positions(account_id: str) -> Response:
        """Open positions of an account."""

        def carry_out(_twist: Twist) -> Response:
            return raw(_POSITIONS.dump_json(exchange.positions(account_id)).decode())

        return calls.run(account_id, Step.QUERY, carry_out)

    @app.get("/v1/accounts/{account_id}/state")
    def state(account_id: str) -> Response:
        """Equity and margin of an account."""

        def carry_out(_twist: Twist) -> Response:
            return raw(exchange.state(account_id).model_dump_json())

        return calls.run(account_id, Step.QUERY, carry_out)

    @app.get("/v1/accounts/{account_id}/capabilities")
    def capabilities(account_id: str) -> Response:
        """What this account can do."""

        def carry_out(_twist: Twist) -> Response:
            return raw(exchange.capabilities(account_id).model_dump_json())

        return calls.run(account_id, Step.QUERY, carry_out)


def _add_prices(app: FastAPI, exchange: Exchange, calls: Calls) -> None:
    @app.post("/v1/accounts/{account_id}/margin-preview")
    def preview(account_id: str, legs: Annotated[list[PreviewLeg], Body(min_length=1)]) -> Response:
        """What legs would need, all together: nothing is sent; 422 where no price is known."""

        def carry_out(_twist: Twist) -> Response:
            answer = exchange.preview(account_id, legs)
            if isinstance(answer, Refusal):
                return problem(answer.code, answer.text, 422)
            return raw(answer.model_dump_json())

        return calls.run(account_id, Step.QUERY, carry_out)

    @app.get("/v1/accounts/{account_id}/prices/{instrument_key:path}")
    def last_price(account_id: str, instrument_key: str) -> Response:
        """The last price, the same for all accounts; null: none was set and nothing has traded."""

        def carry_out(_twist: Twist) -> Response:
            found = exchange.last_price(instrument_key)
            return raw(found.model_dump_json() if found else "null")

        return calls.run(account_id, Step.QUERY, carry_out)


def _unreadable(_request: Request, error: Exception) -> Response:
    """FastAPI's own answer shows what was sent, and breaks where that is no text."""
    words = in_words(error) if isinstance(error, RequestValidationError) else str(error)
    return problem("BAD_REQUEST", words, 422)


def _refused(reports: Sequence[OrderReport]) -> Response | None:
    if reports[0].status is not OrderStatus.REJECTED:
        return None
    code, _, text = reports[0].text.partition(": ")
    return problem(code, text, 422)


def _reports(reports: Sequence[OrderReport]) -> Response:
    return raw(f"[{','.join(each.model_dump_json() for each in reports)}]")
