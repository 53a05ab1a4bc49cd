"""What the gateway sends, sorted: the object that the client library calls for each message.

It stands in the place of the library's own wrapper, whose picture of orders cannot be trusted: it
ends living orders on mere warnings, counts corrected fills twice and forgets all at a lost link.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from types import SimpleNamespace
from typing import Any, Final, Protocol

from brokers.ibkr import answers as of
from brokers.ibkr.answers import Answers, RequestFailed
from brokers.ibkr.api import CommissionReport, Contract, ContractDetails, Execution, OrderState
from brokers.ibkr.api import Order as IbOrder
from brokers.ibkr.book import Book, Moment
from brokers.ibkr.codes import Meaning, meaning_of
from brokers.ibkr.pushed import Pushed
from brokers.ibkr.tracks import Refusal, Track

_NO_ORDER: Final = -1


class Link(Protocol):
    """Whoever keeps the connection."""

    def heard(self, track: Track, error: tuple[Meaning, Refusal] | None = None) -> None:
        """Something was said of an order."""

    def said_of_link(self, meaning: Meaning, sentence: str) -> None:
        """Something was said of the link itself."""

    def lost(self, sentence: str) -> None:
        """The socket is gone."""


class Wire:
    """The messages of one connection; only called by the library, in its loop."""

    #: The library asks these of its own wrapper, to read times that name no zone.
    ib = SimpleNamespace(TimezoneTWS="UTC")
    defaultTimezone = UTC

    def __init__(
        self,
        book: Book,
        answers: Answers,
        link: Link,
        moment: Callable[[], Moment],
        pushed: Pushed,
    ) -> None:
        self._book = book
        self._answers = answers
        self._link = link
        self._moment = moment
        self._pushed = pushed
        self.accounts: list[str] = []
        self.valid_id = 0

    def __getattr__(self, name: str) -> Callable[..., None]:
        """What a gateway may send unasked and nobody here needs, e.g. news."""
        if name.startswith("_") or name in _HOOKS:
            raise AttributeError(name)
        return _ignored

    def managedAccounts(self, accounts: str) -> None:
        """Accounts of the login."""
        self.accounts = [each for each in accounts.split(",") if each]

    def nextValidId(self, order_id: int) -> None:
        """The first number that our client may give an order."""
        self.valid_id = max(self.valid_id, order_id)

    def connectionClosed(self) -> None:
        """The socket was closed while it was in use."""
        self._link.lost("the gateway closed the connection")

    def setEventsDone(self) -> None:
        """The socket was closed, in use or not yet."""
        self._link.lost("the gateway closed the connection")

    def currentTime(self, seconds: int) -> None:
        """The gateway's clock."""
        self._answers.row(of.CURRENT_TIME, seconds)
        self._answers.end(of.CURRENT_TIME)

    def openOrder(
        self, order_id: int, contract: Contract, order: IbOrder, state: OrderState
    ) -> None:
        """An order as it is now; or what one would need, where that was asked."""
        if order.whatIf:
            self._answers.row(order_id, state)
            self._answers.end(order_id)
            return
        order.orderId = order_id
        listed = self._answers.waits(of.OPEN_ORDERS)
        track = self._book.opened(contract, order, state.status, self._moment(), listed=listed)
        self._heard(track)

    def openOrderEnd(self) -> None:
        """All open orders are told."""
        self._answers.end(of.OPEN_ORDERS)

    def orderStatus(  # noqa: PLR0913, PLR0917 - the library's call
        self,
        order_id: int,
        status: str,
        filled: float,
        remaining: float,
        avg_fill_price: float,
        perm_id: int,
        parent_id: int,
        last_fill_price: float,
        client_id: int,
        why_held: str,
        cap_price: float = 0.0,
    ) -> None:
        """How an order stands."""
        track = self._book.stated(
            perm_id=perm_id,
            client_id=client_id,
            order_id=order_id,
            word=status,
            filled=filled,
            held=why_held,
            now=self._moment(),
            listed=self._answers.waits(of.OPEN_ORDERS),
        )
        self._heard(track)

    def execDetails(self, request: int, contract: Contract, execution: Execution) -> None:
        """A fill, as it happens or because it was asked for."""
        listed = self._answers.waits(request)
        found = self._book.executed(contract, execution, self._moment(), listed=listed)
        if found is not None:
            self._heard(found[0])

    def execDetailsEnd(self, request: int) -> None:
        """All fills are told."""
        self._answers.end(request)

    def commissionReport(self, told: CommissionReport) -> None:
        """What a fill cost."""
        self._heard(self._book.paid(told, self._moment()))

    def completedOrder(self, contract: Contract, order: IbOrder, state: OrderState) -> None:
        """An order that has ended."""
        self._heard(self._book.completed(contract, order, state.status, self._moment()))

    def completedOrdersEnd(self) -> None:
        """All ended orders are told."""
        self._answers.end(of.COMPLETED_ORDERS)

    def position(self, account: str, contract: Contract, size: float, cost: float) -> None:
        """What an account holds of one contract."""
        self._answers.row(of.POSITIONS, (account, contract, size, cost))

    def positionEnd(self) -> None:
        """All positions are told."""
        self._answers.end(of.POSITIONS)

    def accountUpdateMulti(
        self, request: int, account: str, model: str, tag: str, value: str, currency: str
    ) -> None:
        """One figure of an account."""
        self._answers.row(request, (account, tag, value, currency))

    def accountUpdateMultiEnd(self, request: int) -> None:
        """All figures are told."""
        self._answers.end(request)

    def updateAccountValue(self, tag: str, value: str, currency: str, account: str) -> None:
        """One figure of the account window."""
        self._pushed.changed = True

    def updatePortfolio(  # noqa: PLR0913, PLR0917 - the library's call
        self,
        contract: Contract,
        size: float,
        price: float,
        value: float,
        cost: float,
        unrealized: float,
        realized: float,
        account: str,
    ) -> None:
        """What one position is worth, by the account window."""
        self._pushed.priced(account, contract.conId, price)

    def updateAccountTime(self, timestamp: str) -> None:
        """The account window is up to date."""
        self._pushed.tell()

    def contractDetails(self, request: int, details: ContractDetails) -> None:
        """One contract that fits."""
        self._answers.row(request, details)

    def contractDetailsEnd(self, request: int) -> None:
        """All contracts that fit are told."""
        self._answers.end(request)

    def priceSizeTick(self, request: int, kind: int, price: float, size: float) -> None:
        """A price of a snapshot."""
        self._answers.row(request, (kind, price))

    def tickString(self, request: int, kind: int, text: str) -> None:
        """A time of a snapshot, and much else."""
        self._answers.row(request, (kind, text))

    def tickSnapshotEnd(self, request: int) -> None:
        """A snapshot is whole."""
        self._answers.end(request)

    def error(self, number: int, code: int, text: str, advanced: str = "") -> None:
        """Whatever the gateway has to say: of an order, of a question, of the link."""
        meaning = meaning_of(code)
        if number <= 0 or meaning in _OF_LINK:
            self._link.said_of_link(meaning, f"{code}: {text}")
            return
        if self._answers.waits(number):
            if meaning is not Meaning.NOTE:
                self._answers.fail(number, RequestFailed(code, text))
            return
        track = self._book.own(number)
        if track is None:
            return
        refusal = Refusal(code, text)
        self._book.errored(track, meaning, refusal, self._moment())
        self._link.heard(track, (meaning, refusal))

    def _heard(self, track: Track | None) -> None:
        if track is not None:
            self._link.heard(track)


_OF_LINK: Final = frozenset(
    {Meaning.LINK_DOWN, Meaning.LINK_UP, Meaning.GATEWAY_MOVES, Meaning.ID_IN_USE}
)
#: Methods that the library calls only where there are any.
_HOOKS: Final = frozenset({"tcpDataArrived", "tcpDataProcessed"})


def _ignored(*_arguments: Any) -> None:  # noqa: ANN401 - whatever a message brings
    """Nothing is done with it."""
