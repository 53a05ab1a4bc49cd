"""A fake broker with books of its own, in which a person trades by hand too."""

from __future__ import annotations

from decimal import Decimal

from brokers.broker import AccountState, BrokerPosition, OpenOrder
from brokers.errors import BrokerUnavailable
from services.common.clock import utc_now
from services.domain.books import cash_flow, rank
from services.domain.orders import Execution, OrderReport, OrderTerms
from services.domain.words import OrderStatus, OrderType, Side
from tests.fakes.broker import FakeBroker


class BookedBroker(FakeBroker):
    """What was told is kept as it was told; positions and cash are of the newest tellings.

    Attributes:
        told: every execution, corrections too, in the order in which they were told.
        held: what an account held before anything was told, by instrument.
        resting: open orders, ours or not.
        broken: names of questions that fail.
    """

    def __init__(self, account_id):
        super().__init__(account_id)
        self.told = []
        self.held = {}
        self.resting = []
        self.broken = set()
        self.cash = Decimal(1_000_000)

    def place_order(self, order):
        report = super().place_order(order)
        self.told += report.executions
        return report

    def find_order(self, client_order_id):
        report = super().find_order(client_order_id)
        if report is None:
            return None
        mine = tuple(each for each in self.told if each.client_order_id == client_order_id)
        return report.model_copy(update={"executions": mine})

    def trade_by_hand(self, instrument, quantity, price="150", name="H1", **fields):
        """A trade of a person, signed; a fill without any order of ours."""
        told = Execution(
            execution_id=name,
            client_order_id=fields.pop("client_order_id", ""),
            instrument=instrument,
            side=Side.BUY if quantity > 0 else Side.SELL,
            quantity=abs(Decimal(quantity)),
            price=Decimal(price),
            commission=Decimal("1.05"),
            occurred_at=fields.pop("occurred_at", utc_now()),
            **fields,
        )
        self.told.append(told)
        return told

    def rest_by_hand(self, instrument, name="B77", client_order_id=""):
        """A working order of a person."""
        report = OrderReport(
            client_order_id=client_order_id,
            broker_order_id=name,
            status=OrderStatus.SUBMITTED,
            terms=OrderTerms(quantity=Decimal(3), limit_price=Decimal(90)),
            occurred_at=utc_now(),
        )
        self.resting.append(
            OpenOrder(
                report=report, instrument=instrument, side=Side.BUY, order_type=OrderType.LIMIT
            )
        )

    def executions(self, *, since=None):
        self._ask("executions")
        return [each for each in self.told if since is None or each.occurred_at >= since]

    def open_orders(self):
        self._ask("open_orders")
        return list(self.resting)

    def positions(self):
        self._ask("positions")
        quantities = dict(self.held)
        for each in self._counted():
            held = quantities.get(each.instrument, Decimal(0))
            quantities[each.instrument] = held + each.quantity * each.side.sign
        return [
            BrokerPosition(instrument=instrument, quantity=quantity, average_price=Decimal(150))
            for instrument, quantity in quantities.items()
            if quantity
        ]

    def account_state(self):
        self._ask("account_state")
        cash = self.cash + sum(cash_flow(each) - each.commission for each in self._counted())
        zero = Decimal(0)
        return AccountState(
            account_id=self.account_id,
            currency="USD",
            equity=cash,
            cash=cash,
            initial_margin=zero,
            maintenance_margin=zero,
            available_funds=cash,
            buying_power=cash,
            as_of=utc_now(),
        )

    def _counted(self):
        newest = {}
        for each in sorted(self.told, key=rank):
            newest[each.execution_id] = each
        return [each for each in newest.values() if not each.busted]

    def _ask(self, question):
        self._reach()
        if question in self.broken:
            raise BrokerUnavailable(f"{question} failed")
