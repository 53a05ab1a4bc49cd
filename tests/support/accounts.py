"""Builders for tests of account data: stored accounts, answers, and a broker that gives them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from brokers.broker import AccountHandler, AccountState, BrokerPosition, MarginQuote, Quote
from services.common.broker_accounts import BrokerAccounts
from services.common.clock import utc_now
from services.common.settings import CommonSettings
from services.common.store import Store
from services.common.vault import Vault
from services.domain.accounts import PreviewLeg
from services.domain.instruments import Instrument

NOW = datetime(2025, 11, 21, 9, 30, tzinfo=UTC)
FIGURES = {
    "equity": Decimal("1000000.50"),
    "cash": Decimal("900000.50"),
    "initial_margin": Decimal(50000),
    "maintenance_margin": Decimal(40000),
    "available_funds": Decimal("950000.50"),
    "buying_power": Decimal("1900001.00"),
}


def make_document(account_id: str = "Mock-1", **fields: object) -> dict[str, object]:
    known = {"account_id": account_id, "broker": "MOCK", "status": "ACTIVE", "currency": "USD"}
    return {"_id": account_id, **known, **FIGURES, "as_of": NOW, "recorded_at": NOW, **fields}


def make_state(account_id: str = "Mock-1", **fields: object) -> AccountState:
    return AccountState(
        **{"account_id": account_id, "currency": "USD", "as_of": utc_now(), **FIGURES, **fields}
    )


def accounts_of(store: Store) -> BrokerAccounts:
    """Whatever active accounts there are."""
    return BrokerAccounts(store, Vault(CommonSettings()))


class ScriptedBroker:
    """Answers with what the test put in `answers`, then with the last of them again.

    Attributes:
        quotes: what it says of prices, one after the other; the test fills it.
        quoted: what it was asked the prices of.
        margins: what it says of previews, one after the other; the test fills it.
        previewed: the legs it was asked to preview.
        held: its positions, or why it does not tell them.
        connected: whether it need not be connected to.
        pushes: whether it rings `bell` by itself; the test does.
    """

    def __init__(self, *answers: AccountState | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.quotes: list[Quote | Exception | None] = []
        self.quoted: list[Instrument] = []
        self.margins: list[MarginQuote | Exception] = []
        self.previewed: list[Sequence[PreviewLeg]] = []
        self.closed = False
        self.connected = True
        self.pushes = False
        self.bell: AccountHandler | None = None
        self.held: Sequence[BrokerPosition] | Exception = []

    def is_connected(self) -> bool:
        return self.connected

    def connect(self) -> None:
        """There is nothing to connect to."""

    def stream_account(self, handler: AccountHandler) -> bool:
        self.bell = handler
        return self.pushes

    def account_state(self) -> AccountState:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def positions(self) -> Sequence[BrokerPosition]:
        if isinstance(self.held, Exception):
            raise self.held
        return self.held

    def last_price(self, instrument: Instrument) -> Quote | None:
        self.quoted.append(instrument)
        answer = self.quotes.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def preview_margin(self, legs: Sequence[PreviewLeg]) -> MarginQuote:
        self.previewed.append(legs)
        answer = self.margins.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


def wait_until(condition: Callable[[], object]) -> object:
    """What came, once it has; a test fails where it does not come."""
    until = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < until, "waited 10 s in vain"
        time.sleep(0.01)
    return found
