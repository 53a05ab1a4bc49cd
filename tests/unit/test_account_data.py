"""Account data without a database: what is shown, and how often a broker is asked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.broker import AccountState
from services.account_data import poller as poller_module
from services.account_data.hierarchy import FundView, fund_view
from services.account_data.poller import Poller
from services.account_data.service import AccountData
from services.account_data.states import Told
from services.account_data.store import Wish
from services.account_data.views import AccountView, account_view
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import InvalidMessage
from tests.fakes.broker import FakeBroker
from tests.support.accounts import (
    FIGURES,
    NOW,
    ScriptedBroker,
    make_document,
    make_state,
    wait_until,
)


class Recorder:
    """Stands in for the store where only the number of answers matters."""

    def __init__(self) -> None:
        self.saved: list[AccountState] = []

    def save_state(self, told: Told, *, recorded_at: object) -> None:
        self.saved.append(told.state)

    def clear_unreachable(self, account_id: str) -> None:
        """Nothing is open."""

    def clear_doubted(self, account_id: str) -> None:
        """Nothing is open."""

    def keep_fund(self, account_id: str, *, now: object) -> None:
        """There is one account."""

    def keep_prices(self, told: object, *, at: object) -> None:
        """Nothing is held."""

    def books(self, account_id: str) -> None:
        """There are none."""

    def compare_books(self, account_id: str, told: object, before: object) -> None:
        """There is nothing to compare with."""

    def wanting(self, *, since: object) -> set[str]:
        return set()

    def wishes(self, account_id: str, *, since: object) -> list[Wish]:
        return []


def views(*documents: dict[str, object]) -> Sequence[AccountView]:
    now = NOW + timedelta(seconds=2)
    return [account_view(document, now=now, max_age_seconds=60) for document in documents]


def fund(*documents: dict[str, object], currency: str | None = None) -> FundView:
    now = NOW + timedelta(seconds=2)
    return fund_view(views(*documents), currency=currency, now=now, max_age_seconds=60)


def test_many_doorbells_are_answered_together(monkeypatch):
    monkeypatch.setattr(poller_module, "MINIMUM_GAP_SECONDS", 0.5)
    broker = ScriptedBroker(make_state())
    poller = Poller(BrokerAccount("Mock-1", "MOCK"), Recorder(), lambda _: broker, poll_seconds=60)
    poller.start()
    wait_until(lambda: broker.asked == 1)
    began = time.monotonic()
    while time.monotonic() - began < 1.2:
        poller.ring()
        time.sleep(0.005)
    poller.end()
    poller.join(5)
    assert 2 <= broker.asked <= 4  # at 0, 0.5, 1.0 s, and one more on a slow machine
    assert broker.closed


class Limited(ScriptedBroker):
    """Says once it is connected that it takes one call in twenty seconds."""

    capabilities = FakeBroker.capabilities.model_copy(update={"messages_per_second": 0.05})

    def connect(self) -> None:
        self.connected = True


def test_a_broker_is_asked_no_more_than_a_fifth_of_what_it_takes():
    broker = Limited(make_state())
    broker.connected = False
    account = BrokerAccount("Mock-1", "MOCK")
    poller = Poller(account, Recorder(), lambda _: broker, poll_seconds=0.01)
    poller.start()
    poller.ring()
    wait_until(lambda: poller._bucket and poller._bucket.available() < 0.5)
    # The second question waits 100 s for its turn, and its end does not wait with it.
    poller.end()
    poller.join(10)
    assert not poller.alive()
    assert broker.asked == 1


def make_polling() -> AccountData:
    return AccountData(
        Recorder(), Recorder(), ScriptedBroker, poll_seconds=1, max_age_seconds=60, on_death=print
    )


def test_a_confirmation_without_an_account_is_invalid():
    with pytest.raises(InvalidMessage, match="expected an account_id"):
        make_polling().on_confirmations([{"client_order_id": "MT1"}])


def test_a_confirmation_of_an_unknown_account_is_no_error():
    polling = make_polling()
    polling.on_confirmations([{"account_id": "Nobody"}])
    assert polling._pollers == {}


def test_a_view_carries_age_and_no_field_of_its_own_accord():
    (view,) = views(make_document(api_secret="hunter2", as_of=NOW - timedelta(seconds=60)))
    assert (view.age_s, view.stale) == (62.0, True)
    assert "hunter2" not in view.model_dump_json()


def test_figures_never_reported_are_stale_and_unknown():
    (view,) = views(make_document(equity=None, as_of=None))
    assert (view.equity, view.age_s, view.stale) == (None, None, True)


def test_the_fund_lists_what_it_cannot_count_instead_of_counting_zero():
    total = fund(make_document("A"), make_document("B", equity=None))
    assert total.equity == FIGURES["equity"]
    assert [missing.account_id for missing in total.missing] == ["B"]
    assert not total.complete
    assert total.sentence == (
        "1 of 2 active accounts counted, the oldest figures are 2.0 s old; "
        "not counted: B (its broker has not reported equity yet)."
    )


def test_a_fund_without_any_figures_is_unknown_not_zero():
    total = fund(make_document("A", equity=None))
    assert (total.equity, total.cash, total.age_s, total.stale) == (None, None, None, True)


def test_the_fund_is_as_old_as_its_oldest_account():
    total = fund(make_document("A"), make_document("B", as_of=NOW - timedelta(minutes=5)))
    assert (total.age_s, total.stale) == (302.0, True)
    assert total.equity == 2 * FIGURES["equity"]


def test_the_fund_never_adds_two_currencies_nor_inactive_accounts():
    total = fund(
        make_document("A"),
        make_document("B", currency="INR"),
        make_document("C", status="INACTIVE"),
    )
    assert (total.currency, total.accounts) == ("USD", ("A",))
    assert [missing.account_id for missing in total.missing] == ["B"]
    assert fund(make_document("B", currency="INR")).currency == "INR"


def test_amounts_leave_without_exponent():
    (view,) = views(make_document(equity=Decimal("1E+6"), cash=Decimal("0E-8")))
    assert view.model_dump(mode="json")["equity"] == "1000000"
    assert view.model_dump(mode="json")["cash"] == "0.00000000"


def with_marks(day_start, peak, last, day="2025-11-21"):
    amounts = {"day_start": day_start, "day_low": last, "last": last, "peak": peak}
    exact = {name: Decimal(amount) for name, amount in amounts.items()}
    return make_document(marks={"day": day, **exact})


def test_a_view_shows_the_day_and_the_drawdown():
    (view,) = views(with_marks("100", "125", "95"))
    # 95 − 100, and (125 − 95) / 125
    assert (view.daily_pnl, view.drawdown_ratio) == (-5, Decimal("0.24"))


def test_a_view_of_an_account_not_read_today_knows_no_pnl():
    (view,) = views(with_marks("100", "125", "95", day="2025-11-20"))
    assert (view.daily_pnl, view.drawdown_ratio) == (None, Decimal("0.24"))


def test_a_view_of_an_account_never_read_knows_neither():
    (view,) = views(make_document())
    assert (view.daily_pnl, view.drawdown_ratio, view.fx_rates) == (None, None, {})
