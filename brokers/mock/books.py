"""The accounts of the mock broker: cash, positions and margin, to the cent and the unit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from prometheus_client import Counter

from brokers.broker import AccountState, BrokerPosition, MarginQuote
from brokers.mock import margin
from brokers.mock.journal import Journal
from brokers.mock.margin import Refusal
from brokers.mock.matching import Take
from brokers.mock.messages import LastPrice
from brokers.mock.stored import StoredOrder
from services.domain.accounts import PreviewLeg
from services.domain.books import Position, apply_execution
from services.domain.orders import Execution
from services.domain.values import ZERO

_OWNER = "broker"
_EXECUTIONS = Counter("mock_broker_executions", "Executions")


class Books:
    """What fills make of the accounts; whoever calls it holds the exchange's lock."""

    def __init__(
        self,
        journal: Journal,
        *,
        initial_cash: Decimal,
        commission_per_unit: Decimal,
        commission_minimum: Decimal,
        currency: str = "USD",
    ) -> None:
        """Over what a journal has kept; all accounts and commissions are in `currency`."""
        self._journal = journal
        self._currency = currency
        self._initial_cash = initial_cash
        self._per_unit = commission_per_unit
        self._minimum = commission_minimum

    def cash(self, account_id: str, initial: Decimal | None = None) -> Decimal:
        """Cash of an account; opens it where it is new."""
        cash = self._journal.cash(account_id)
        if cash is None:
            cash = self._initial_cash if initial is None else initial
            self._journal.set_cash(account_id, cash)
        return cash

    def fee(self, quantity: Decimal) -> Decimal:
        """Commission of one execution."""
        return margin.commission(quantity, per_unit=self._per_unit, minimum=self._minimum)

    def held(self, account_id: str, instrument_key: str) -> Decimal:
        """Signed quantity."""
        position = self._journal.position(account_id, instrument_key)
        return position.quantity if position else ZERO

    def holdings(self, account_id: str) -> list[margin.Holding]:
        """What is held, at the prices of now."""
        return [
            margin.Holding(position, self._journal.price(position.instrument.key) or last)
            for position, last in self._journal.positions(account_id)
            if position.quantity
        ]

    def refusal(self, account_id: str, leg: PreviewLeg, price: Decimal) -> Refusal | None:
        """Why this cannot be filled with what the account has, or None."""
        held = self.held(account_id, leg.instrument.key)
        needed = margin.needed_for(leg, price, held=held, fee=self.fee(leg.quantity))
        if not needed:
            return None
        funds = margin.available_funds(self.cash(account_id), self.holdings(account_id))
        return margin.short_of_funds(needed, funds)

    def refusal_of_all(
        self, account_id: str, legs: Sequence[tuple[PreviewLeg, Decimal]]
    ) -> Refusal | None:
        """The same of legs that fill together, each at its price."""
        held = {leg.instrument.key: self.held(account_id, leg.instrument.key) for leg, _ in legs}
        prices = {leg.instrument.key: price for leg, price in legs}
        change = margin.margin_change([leg for leg, _ in legs], held, prices)
        if change.initial <= 0:
            return None
        fees = sum((self.fee(leg.quantity) for leg, _ in legs), ZERO)
        funds = margin.available_funds(self.cash(account_id), self.holdings(account_id))
        return margin.short_of_funds(change.initial + fees, funds)

    def fill(self, stored: StoredOrder, take: Take, now: datetime) -> Execution:
        """Book one execution of an order."""
        order, standing = stored.order, stored.standing
        execution = Execution(
            execution_id=f"{stored.broker_order_id}.{standing.fills + 1}",
            client_order_id=order.client_order_id,
            instrument=order.instrument,
            side=order.side,
            quantity=take.quantity,
            price=take.price,
            commission=self.fee(take.quantity),
            commission_currency=self._currency,
            occurred_at=now,
        )
        position = self._journal.position(stored.account_id, stored.key) or Position(
            strategy_id=_OWNER, account_id=stored.account_id, instrument=order.instrument
        )
        self._pay(stored.account_id, _flow(execution))
        self._journal.set_position(apply_execution(position, execution), take.price)
        self._journal.add_execution(stored, execution)
        stored.change(filled=standing.filled + take.quantity, fills=standing.fills + 1)
        _EXECUTIONS.inc()
        return execution

    def correct(self, stored: StoredOrder, was: Execution, becomes: Execution) -> None:
        """Book a revision: cash by the difference, the position anew from all that counts."""
        self._journal.add_execution(stored, becomes)
        self._pay(stored.account_id, _counted(becomes) - _counted(was))
        position = Position(
            strategy_id=_OWNER,
            account_id=stored.account_id,
            instrument=stored.order.instrument,
            updated_at=becomes.occurred_at,
        )
        bodies = [body for _, body in self._journal.executions(stored.account_id)]
        for each in latest([Execution.model_validate_json(body) for body in bodies]):
            if each.instrument.key == stored.key and not each.busted:
                position = apply_execution(position, each)
        self._journal.set_position(position, becomes.price)

    def _pay(self, account_id: str, amount: Decimal) -> None:
        self._journal.set_cash(account_id, self.cash(account_id) + amount)

    def positions(self, account_id: str) -> list[BrokerPosition]:
        """Open positions of an account."""
        return [
            BrokerPosition(
                instrument=each.position.instrument,
                quantity=each.position.quantity,
                average_price=each.position.average_price,
                market_price=each.price,
            )
            for each in self.holdings(account_id)
        ]

    def state(self, account_id: str) -> AccountState:
        """Equity and margin of an account; opens it where it is new."""
        cash, holdings = self.cash(account_id), self.holdings(account_id)
        used = sum((each.margin for each in holdings), ZERO)
        available = margin.available_funds(cash, holdings)
        return AccountState(
            account_id=account_id,
            currency=self._currency,
            equity=available + used,
            cash=cash,
            initial_margin=used,
            maintenance_margin=margin.maintenance_margin(used),
            available_funds=available,
            buying_power=max(available * 2, ZERO),
            as_of=datetime.now(UTC),
            fx_rates=margin.pair_rates(self._currency, self._price),
        )

    def last_price(self, instrument_key: str) -> LastPrice | None:
        """Where the market stands now, if somebody has set it; else the last fill and its time."""
        if (price := self._journal.price(instrument_key)) is not None:
            return LastPrice(price=price, as_of=datetime.now(UTC))
        return self._journal.last_fill(instrument_key)

    def _price(self, instrument_key: str) -> Decimal | None:
        last = self.last_price(instrument_key)
        return last.price if last else None

    def preview(self, account_id: str, legs: Sequence[PreviewLeg]) -> MarginQuote | Refusal:
        """How all legs together would change the margin of an account; changes nothing."""
        holdings = self.holdings(account_id)
        prices = {each.position.instrument.key: each.price for each in holdings}
        for leg in legs:
            key = leg.instrument.key
            if (price := prices.get(key) or self._price(key)) is None:
                return margin.no_price(leg.instrument)
            prices[key] = price
        held = {each.position.instrument.key: each.position.quantity for each in holdings}
        change = margin.margin_change(legs, held, prices)
        return MarginQuote(
            initial_margin=change.initial,
            maintenance_margin=change.maintenance,
            as_of=datetime.now(UTC),
        )


def latest(executions: Sequence[Execution]) -> list[Execution]:
    """Of each fill the newest revision, in the order of the fills."""
    newest: dict[str, Execution] = {}
    for each in executions:
        newest[each.execution_id] = each
    return list(newest.values())


def _flow(execution: Execution) -> Decimal:
    paid = execution.quantity * execution.side.sign * execution.price
    return -(paid * execution.instrument.multiplier) - execution.commission


def _counted(execution: Execution) -> Decimal:
    return ZERO if execution.busted else _flow(execution)
