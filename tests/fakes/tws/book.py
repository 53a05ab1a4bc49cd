"""Orders as TWS knows them: by client and order id, over the engine's orders that carry them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from brokers.mock.exchange import Exchange
from services.domain.orders import Execution, Order, OrderReport
from services.domain.words import OrderStatus, OrderType
from tests.fakes.tws import layouts, requests
from tests.fakes.tws.contracts import Table
from tests.fakes.tws.ids import number_of, perm_id_of
from tests.fakes.tws.order_answers import Identity, State

_ZERO = Decimal(0)
_S = OrderStatus
WORKING = frozenset({_S.SUBMITTED, _S.PARTIALLY_FILLED})
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
_WORDS = {
    _S.SUBMITTED: "Submitted",
    _S.PARTIALLY_FILLED: "Submitted",
    _S.FILLED: "Filled",
    _S.CANCELED: "Cancelled",
    _S.EXPIRED: "Cancelled",
    _S.REJECTED: "Inactive",
}
_HELD = "held until the entry"
_TYPE_WORDS = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STP LMT",
    OrderType.TRAILING_STOP: "TRAIL",
}


@dataclass(frozen=True)
class Note:
    """What of a placeOrder must outlive the process; kept with each order of the engine.

    Attributes:
        wire: the message as it came, without its number.
        ratio: of a combo's leg: units of it for one of the combo, below 0 where it sells them.
        perm_id: of a combo that has waited; 0 = that of its first leg.
    """

    client_id: int
    version: int
    wire: tuple[str, ...]
    ratio: str = "1"
    perm_id: int = 0

    def dump(self) -> str:
        """As text."""
        return json.dumps([self.client_id, self.version, self.wire, self.ratio, self.perm_id])

    @classmethod
    def load(cls, text: str) -> Note:
        """From text."""
        client_id, version, wire, ratio, perm_id = json.loads(text)
        return cls(client_id, version, tuple(wire), ratio, perm_id)

    @property
    def fields(self) -> dict[str, object]:
        """The message by its fields' names."""
        return requests.parse(["3", *self.wire], self.version).fields


@dataclass
class Placed:
    """One order of a client, or one that was given by hand (`client_id` 0, `order_id` 0).

    Attributes:
        fields: of placeOrder, as they hold now but for what the engine says itself.
        contract: as TWS describes it.
        numbers: the engine's: one, of a combo one for each leg; none while a combo waits.
        ratios: of a combo's legs.
        ended_at: of a combo that was canceled while it waited.
        hidden_until: of a combo that waits: questions do not show it before (monotonic clock).
    """

    client_id: int
    order_id: int
    account: str
    fields: dict[str, object]
    contract: dict[str, object]
    perm_id: int = 0
    numbers: list[int] = field(default_factory=list)
    ratios: list[Decimal] = field(default_factory=list)
    ended_at: str | None = None
    hidden_until: float = 0

    @property
    def is_combo(self) -> bool:
        """Whether it is one order of several legs."""
        return self.fields.get("secType") == "BAG"

    @property
    def waits(self) -> bool:
        """Whether it is a combo whose price has not come."""
        return self.is_combo and not self.numbers and self.ended_at is None

    @property
    def reference(self) -> str:
        """The client's own name of it."""
        return str(self.fields.get("orderRef", ""))

    @property
    def identity(self) -> Identity:
        """What names it."""
        parent = int(self.fields.get("parentId") or 0)
        return Identity(self.order_id, self.client_id, self.perm_id, parent)


class Book:
    """All orders, found by what the client and by what the engine call them."""

    def __init__(self, exchange: Exchange, table: Table):
        self._exchange = exchange
        self._table = table
        self._by_key: dict[tuple[int, int], Placed] = {}
        self._by_number: dict[int, Placed] = {}

    def restore(self, accounts: Sequence[str]) -> None:
        """After a restart: from what the engine has kept."""
        for account in accounts:
            for order, report in self._exchange.orders(account):
                if order.signal_id:
                    self._restore(account, order, number_of(report.broker_order_id))

    def _restore(self, account: str, order: Order, number: int) -> None:
        note = Note.load(order.signal_id)
        fields = note.fields
        placed = self.find(note.client_id, fields["orderId"])
        if placed is None:
            placed = self.add(note.client_id, account, fields, perm_id=note.perm_id)
        self.link(placed, [number], [Decimal(note.ratio)])

    def forget(self) -> None:
        """As on the first day."""
        self._by_key, self._by_number = {}, {}

    def add(
        self, client_id: int, account: str, fields: dict[str, object], *, perm_id: int = 0
    ) -> Placed:
        """An order that has been taken; `link` says what the engine calls it."""
        fields = {**fields, "account": account}
        placed = Placed(client_id, fields["orderId"], account, fields, self._contract(fields))
        placed.perm_id = perm_id
        self._by_key[client_id, placed.order_id] = placed
        return placed

    def _contract(self, fields: dict[str, object]) -> dict[str, object]:
        if fields["secType"] == "BAG":
            return {name: fields[name] for name in layouts.COMBO_CONTRACT}
        found = self._table.matching(fields)
        return found[0].described(str(fields["exchange"]) or None) if found else dict(fields)

    def link(self, placed: Placed, numbers: Sequence[int], ratios: Sequence[Decimal]) -> None:
        """The engine has it under these numbers."""
        placed.numbers += numbers
        placed.ratios += ratios
        for number in numbers:
            self._by_number[number] = placed
        placed.perm_id = placed.perm_id or perm_id_of(str(placed.numbers[0]))

    def find(self, client_id: int, order_id: int) -> Placed | None:
        """By what the client calls it."""
        return self._by_key.get((client_id, order_id))

    def of_number(self, number: int, order: Order | None = None) -> Placed | None:
        """By what the engine calls it; of one given by hand, made from the engine's `order`."""
        placed = self._by_number.get(number)
        if placed is None and order is not None:
            placed = self._by_number[number] = self._by_hand(number, order)
        return placed

    def by_hand(self, account: str, number: int) -> Placed | None:
        """An order that no client has sent; None where it is hidden now."""
        for order, report in self._exchange.orders(account, client_order_ids=[""]):
            if number_of(report.broker_order_id) == number:
                return self.of_number(number, order)
        return None

    def _by_hand(self, number: int, order: Order) -> Placed:
        contract = self._table.described(order.instrument)
        fields = {
            **contract,
            "action": order.side.value,
            "totalQuantity": order.quantity,
            "orderType": _TYPE_WORDS[order.order_type],
            "tif": order.time_in_force.value,
            "account": order.account_id,
            "orderRef": order.client_order_id,
            "openClose": "O",
        }
        return Placed(
            0, 0, order.account_id, fields, contract, perm_id_of(str(number)), [number], [_ZERO + 1]
        )

    def all(self) -> list[Placed]:
        """Every order of a client, in the order in which they came."""
        return list(self._by_key.values())

    def waiting(self) -> Iterator[Placed]:
        """Combos whose price has not come."""
        return (each for each in self._by_key.values() if each.waits)

    def shown(self, account: str, *, open_only: bool) -> dict[int, tuple[Order, OrderReport]]:
        """The engine's orders by number, but for those that it hides."""
        found = self._exchange.orders(account, open_only=open_only)
        return {number_of(report.broker_order_id): (order, report) for order, report in found}

    def reports(self, placed: Placed) -> list[OrderReport]:
        """How each leg stands now; empty where the engine hides it or has never had it."""
        found = self._exchange.orders(placed.account, client_order_ids=[placed.reference])
        told = {number_of(report.broker_order_id): report for _, report in found}
        return [told[number] for number in placed.numbers if number in told]


def terms_of(placed: Placed, report: OrderReport) -> dict[str, object]:
    """The fields of an order as they hold now."""
    terms = report.terms
    if terms is None or placed.is_combo:
        return {**placed.fields, **placed.contract}
    now = {"totalQuantity": terms.quantity, "lmtPrice": terms.limit_price}
    if placed.fields["orderType"] == "TRAIL":
        now["trailStopPrice"] = terms.stop_price
    else:
        now["auxPrice"] = terms.stop_price
    if placed.fields.get("cashQty"):
        now["totalQuantity"] = _ZERO
    return {**placed.fields, **placed.contract, **now}


def state_of(placed: Placed, reports: Sequence[OrderReport]) -> State:
    """How an order stands, in TWS' words."""
    if not reports:
        return _waiting(placed)
    if placed.is_combo:
        return _combo_state(placed, reports)
    (report,) = reports
    filled, average, last = averaged(report.executions)
    quantity = report.terms.quantity if report.terms else _ZERO
    word, why = _word(placed, report)
    state = State(word, report.filled_quantity, max(quantity - filled, _ZERO), average, last, why)
    return _ended(state, report)


def _waiting(placed: Placed) -> State:
    asked = placed.fields["totalQuantity"]
    if placed.ended_at is None:
        return State("Submitted", remaining=asked)
    return State(
        "Cancelled",
        remaining=asked,
        completed_at=placed.ended_at,
        completed_status="Cancelled by Trader",
    )


def _word(placed: Placed, report: OrderReport) -> tuple[str, str]:
    word = _WORDS[report.status]
    if word != "Submitted":
        return word, ""
    if report.text.startswith(_HELD):
        return "PreSubmitted", "child"
    stop = placed.fields["orderType"] in {_TYPE_WORDS[each] for each in _STOPS}
    if stop and not report.filled_quantity and report.text != "triggered":
        return "PreSubmitted", "trigger"
    return word, ""


def _ended(state: State, report: OrderReport) -> State:
    if report.status in WORKING:
        return state
    words = {
        _S.FILLED: f"Filled Size: {state.filled:f}",
        _S.REJECTED: f"Rejected: {report.text}",
        _S.EXPIRED: "Expired",
    }
    told = words.get(report.status, f"Cancelled: {report.text}")
    return state._replace(completed_at=report.occurred_at.isoformat(), completed_status=told)


def _combo_state(placed: Placed, reports: Sequence[OrderReport]) -> State:
    """All legs are in one state, because they fill all or none."""
    parts, average, last = [], _ZERO, _ZERO
    for report, ratio in zip(reports, placed.ratios, strict=False):
        filled, price, newest = averaged(report.executions)
        parts.append(filled / abs(ratio))
        average += price * ratio
        last += newest * ratio
    filled = min(parts)
    state = State(
        _WORDS[reports[0].status],
        filled,
        max(placed.fields["totalQuantity"] - filled, _ZERO),
        average if filled else _ZERO,
        last if filled else _ZERO,
    )
    return _ended(state, reports[0])


def averaged(executions: Sequence[Execution]) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, volume-weighted price and last price of what counts."""
    counted = [each for each in executions if not each.busted]
    filled = sum((each.quantity for each in counted), _ZERO)
    if not filled:
        return _ZERO, _ZERO, _ZERO
    paid = sum((each.quantity * each.price for each in counted), _ZERO)
    return filled, round(paid / filled, 8), counted[-1].price


def instant(text: str) -> datetime:
    """Back from what `State.completed_at` holds."""
    return datetime.fromisoformat(text)
