"""The simulated broker itself: takes orders, fills them, keeps books, tells about it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from prometheus_client import Counter, Gauge

from brokers.broker import AccountState, BrokerPosition, MarginQuote
from brokers.mock import matching
from brokers.mock.journal import Journal, StoredOrder
from brokers.mock.messages import LastPrice
from services.domain.accounts import PreviewLeg
from services.domain.books import Position, apply_execution
from services.domain.orders import Execution, Order, OrderReport
from services.domain.values import ZERO
from services.domain.words import OrderStatus

_OWNER = "broker"
#: Of every account.
_CURRENCY = "USD"
_REPORTS_AT_ONCE = 500
_ORDERS = Counter("mock_broker_orders", "Orders taken, by their first status", ["status"])
_EXECUTIONS = Counter("mock_broker_executions", "Executions")
_OPEN_ORDERS = Gauge("mock_broker_open_orders", "Orders that rest")


class Exchange:
    """All accounts of the mock broker; safe to call from any thread."""

    def __init__(
        self,
        journal: Journal,
        *,
        initial_cash: Decimal,
        commission_per_unit: Decimal,
        commission_minimum: Decimal,
    ) -> None:
        self._journal = journal
        self._initial_cash = initial_cash
        self._per_unit = commission_per_unit
        self._minimum = commission_minimum
        self._lock = threading.Lock()
        # One for each account: news of one do not wake the readers of all others.
        self._news: dict[str, threading.Condition] = {}
        self._stopping = False
        _OPEN_ORDERS.set_function(self._open_orders)

    def _open_orders(self) -> int:
        with self._lock:
            return self._journal.count_open_orders()

    def start(self) -> None:
        """Part of a process: ready from the beginning."""

    def stop(self) -> None:
        """Let go of readers that wait for reports, so that the server above can drain."""
        with self._lock:
            self._stopping = True
            for account_id in self._news:
                self._tell(account_id)

    def close(self) -> None:
        """Close the books."""
        with self._lock:
            self._journal.close()

    def open_account(self, account_id: str, cash: Decimal | None = None) -> None:
        """Open an account where there is none; an account that exists is left as it is."""
        with self._lock, self._journal.transaction():
            self._cash(account_id, cash)

    def _cash(self, account_id: str, initial: Decimal | None = None) -> Decimal:
        cash = self._journal.cash(account_id)
        if cash is None:
            cash = self._initial_cash if initial is None else initial
            self._journal.set_cash(account_id, cash)
        return cash

    def place(self, account_id: str, order: Order, *, reject: str = "") -> OrderReport:
        """Take an order; the report says whether it was rejected, filled, canceled or rests."""
        now = datetime.now(UTC)
        with self._lock:
            with self._journal.transaction():
                stored = self._journal.add_order(
                    account_id, order, OrderStatus.SUBMITTED, now.isoformat()
                )
                market = self._journal.price(order.instrument.key)
                price = matching.fill_price(order, market)
                refusal = self._refusal(account_id, order, price or order.limit_price)
                if reject:
                    refusal = matching.Refusal("REJECTED_ON_COMMAND", reject)
                if refusal is not None:
                    stored.status = OrderStatus.REJECTED
                    stored.text = f"{refusal.code}: {refusal.text}"
                elif price is not None:
                    self._fill(stored, price, now)
                elif not matching.may_rest(order):
                    stored.status, stored.text = OrderStatus.CANCELED, "not marketable"
                report = self._keep(stored, now)
            self._tell(account_id)
        _ORDERS.labels(report.status).inc()
        return report

    def _tell(self, account_id: str) -> None:
        if account_id in self._news:
            self._news[account_id].notify_all()

    def _refusal(
        self, account_id: str, order: Order, price: Decimal | None
    ) -> matching.Refusal | None:
        position = self._journal.position(account_id, order.instrument.key)
        funds = matching.available_funds(self._cash(account_id), self._holdings(account_id))
        held = position.quantity if position else ZERO
        return matching.refusal(order, price, held, funds, self._fee(order.quantity))

    def _fee(self, quantity: Decimal) -> Decimal:
        return matching.commission(quantity, per_unit=self._per_unit, minimum=self._minimum)

    def _holdings(self, account_id: str) -> list[matching.Holding]:
        prices = self._journal.prices()
        return [
            matching.Holding(position, prices.get(position.instrument.key, last))
            for position, last in self._journal.positions(account_id)
            if position.quantity
        ]

    def _fill(self, stored: StoredOrder, price: Decimal, now: datetime) -> None:
        order = stored.order
        execution = Execution(
            execution_id=f"{stored.broker_order_id}.1",
            client_order_id=order.client_order_id,
            instrument=order.instrument,
            side=order.side,
            quantity=order.quantity,
            price=price,
            commission=self._fee(order.quantity),
            occurred_at=now,
        )
        account_id = stored.account_id
        position = self._journal.position(account_id, order.instrument.key) or Position(
            strategy_id=_OWNER, account_id=account_id, instrument=order.instrument
        )
        paid = order.quantity * order.side.sign * price * order.instrument.multiplier
        cash = self._cash(account_id) - paid - execution.commission
        self._journal.set_cash(account_id, cash)
        self._journal.set_position(apply_execution(position, execution), price)
        self._journal.add_execution(stored, execution)
        _EXECUTIONS.inc()
        stored.status, stored.filled = OrderStatus.FILLED, order.quantity

    def _keep(self, stored: StoredOrder, now: datetime) -> OrderReport:
        self._journal.update_order(stored)
        report = self._report(stored, now)
        self._journal.add_report(stored.account_id, report)
        return report

    def _report(self, stored: StoredOrder, now: datetime | None = None) -> OrderReport:
        filled = bool(stored.filled)
        executions = self._journal.executions(stored.account_id, stored.number) if filled else []
        placed_at = datetime.fromisoformat(stored.placed_at)
        return OrderReport(
            client_order_id=stored.order.client_order_id,
            broker_order_id=stored.broker_order_id,
            status=stored.status,
            filled_quantity=stored.filled,
            executions=tuple(executions),
            text=stored.text,
            occurred_at=now or (executions[-1].occurred_at if executions else placed_at),
        )

    def cancel(self, account_id: str, client_order_id: str) -> list[OrderReport]:
        """Cancel what still rests of these orders; how each of them stands afterwards."""
        now = datetime.now(UTC)
        with self._lock:
            with self._journal.transaction():
                found = self._journal.orders(account_id, client_order_id=client_order_id)
                reports = []
                for stored in found:
                    if stored.status is OrderStatus.SUBMITTED:
                        stored.status, stored.text = OrderStatus.CANCELED, "canceled by request"
                        reports.append(self._keep(stored, now))
                    else:
                        reports.append(self._report(stored))
            self._tell(account_id)
        return reports

    def set_price(self, instrument_key: str, price: Decimal) -> int:
        """Move the market; how many resting orders it filled."""
        now = datetime.now(UTC)
        filled = []
        with self._lock:
            with self._journal.transaction():
                self._journal.set_price(instrument_key, price)
                for stored in self._journal.all_open_orders():
                    if stored.order.instrument.key != instrument_key:
                        continue
                    if (at := matching.fill_price(stored.order, price)) is not None:
                        self._fill(stored, at, now)
                        self._keep(stored, now)
                        filled.append(stored.account_id)
            for account_id in filled:
                self._tell(account_id)
        return len(filled)

    def prices(self) -> dict[str, Decimal]:
        """All prices that were set."""
        with self._lock:
            return self._journal.prices()

    def last_price(self, instrument_key: str) -> LastPrice | None:
        """Where the market stands now, if somebody has set it; else the last fill and its time."""
        with self._lock:
            if (price := self._journal.price(instrument_key)) is not None:
                return LastPrice(price=price, as_of=datetime.now(UTC))
            return self._journal.last_fill(instrument_key)

    def _last_price(self, instrument_key: str) -> Decimal | None:
        if (price := self._journal.price(instrument_key)) is not None:
            return price
        fill = self._journal.last_fill(instrument_key)
        return fill.price if fill else None

    def orders(
        self, account_id: str, *, client_order_id: str | None = None, open_only: bool = False
    ) -> list[tuple[Order, OrderReport]]:
        """Orders of an account with how each stands."""
        with self._lock:
            found = self._journal.orders(
                account_id, client_order_id=client_order_id, open_only=open_only
            )
            return [(stored.order, self._report(stored)) for stored in found]

    def executions(self, account_id: str) -> list[Execution]:
        """Every fill of an account."""
        with self._lock:
            return self._journal.executions(account_id)

    def positions(self, account_id: str) -> list[BrokerPosition]:
        """Open positions of an account."""
        with self._lock:
            return [
                BrokerPosition(
                    instrument=each.position.instrument,
                    quantity=each.position.quantity,
                    average_price=each.position.average_price,
                    market_price=each.price,
                )
                for each in self._holdings(account_id)
            ]

    def state(self, account_id: str) -> AccountState:
        """Equity and margin of an account; opens it where it is new."""
        with self._lock:
            with self._journal.transaction():
                cash = self._cash(account_id)
            holdings = self._holdings(account_id)
            rates = matching.pair_rates(_CURRENCY, self._last_price)
        margin = sum((each.margin for each in holdings), ZERO)
        available = matching.available_funds(cash, holdings)
        return AccountState(
            account_id=account_id,
            currency=_CURRENCY,
            equity=available + margin,
            cash=cash,
            initial_margin=margin,
            maintenance_margin=matching.maintenance_margin(margin),
            available_funds=available,
            buying_power=max(available * 2, ZERO),
            as_of=datetime.now(UTC),
            fx_rates=rates,
        )

    def preview(
        self, account_id: str, legs: Sequence[PreviewLeg]
    ) -> MarginQuote | matching.Refusal:
        """How all legs together would change the margin of an account; changes nothing."""
        with self._lock:
            holdings = self._holdings(account_id)
            prices = {each.position.instrument.key: each.price for each in holdings}
            for leg in legs:
                key = leg.instrument.key
                if (price := prices.get(key) or self._last_price(key)) is None:
                    return matching.no_price(leg.instrument)
                prices[key] = price
        held = {each.position.instrument.key: each.position.quantity for each in holdings}
        change = matching.margin_change(legs, held, prices)
        return MarginQuote(
            initial_margin=change.initial,
            maintenance_margin=change.maintenance,
            as_of=datetime.now(UTC),
        )

    def reports(self, account_id: str, after: int, wait_seconds: float) -> list[tuple[int, str]]:
        """Reports after a cursor; waits for one where there is none yet."""
        until = time.monotonic() + wait_seconds
        with self._lock:
            news = self._news.setdefault(account_id, threading.Condition(self._lock))
            if after > self._journal.last_report_number():
                after = 0  # a cursor of books that are gone: tell all again rather than nothing
            while not self._stopping:
                found = self._journal.reports(account_id, after, _REPORTS_AT_ONCE)
                left = until - time.monotonic()
                if found or left <= 0:
                    return found
                news.wait(left)
        return []
