"""From what a broker says to what is decided: margin by its preview, losses by its equity."""

from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.broker import AccountState, MarginQuote
from brokers.errors import BrokerUnavailable
from services.account_data.poller import Poller
from services.account_data.store import AccountStore
from services.common.clock import utc_now
from services.common.limits import set_limits
from services.common.locks import clear_lock
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import PartlyDone
from services.domain.words import MarginModel, Scope
from tests.fakes.broker import FakeBroker
from tests.support.cerebro import make_cerebro
from tests.support.rows import (
    ACCOUNT,
    add_account,
    add_signal,
    add_strategy,
    allow_trading,
)

pytestmark = pytest.mark.servers


class Bank(FakeBroker):
    """A broker with an equity, rates, and an answer on margin."""

    equity = Decimal(1_000_000)
    fx_rates = {"EUR": Decimal("1.1")}  # noqa: RUF012 - never changed
    margin = Decimal(123)

    def account_state(self):
        return AccountState(
            account_id=self.account_id,
            currency="USD",
            equity=self.equity,
            cash=self.equity,
            initial_margin=Decimal(0),
            maintenance_margin=Decimal(0),
            available_funds=self.equity,
            buying_power=self.equity,
            fx_rates=self.fx_rates,
            as_of=utc_now(),
        )

    def preview_margin(self, legs):
        if self.margin is None:
            raise BrokerUnavailable("the line is dead")
        initial = self.margin * legs[0].quantity
        return MarginQuote(initial_margin=initial, maintenance_margin=initial, as_of=utc_now())


def make_poller(store, broker=None, account_id=ACCOUNT):
    account = BrokerAccount(account_id, "BANK")
    believing = AccountStore(store, jump_ratio=Decimal(100))  # equity moves as a test needs it
    return Poller(account, believing, lambda _: broker or Bank(account_id), poll_seconds=60)


# Margin by the broker's preview


@pytest.fixture
def trading(store):
    add_strategy(store)
    add_account(store, previews_margin=True, margin_model=MarginModel.PORTFOLIO)
    allow_trading(store)
    return store


def decide(cerebro, signal_id):
    try:
        cerebro.on_signals([{"signal_id": signal_id}])
    except PartlyDone:
        return None
    return True


def decision(store, signal_id="s1"):
    return store["signal_store"].find_one({"_id": signal_id})["decision"]


def step(made, name):
    return next(each for each in made["steps"] if each["name"] == name)


def test_an_entry_waits_for_the_preview_and_is_reserved_by_it(trading):
    add_signal(trading, "s1")
    cerebro, poller = make_cerebro(trading), make_poller(trading)
    assert decide(cerebro, "s1") is None
    poller.quote(until=0)
    assert decide(cerebro, "s1")
    # 10 shares × 123 by the broker; the formula says 10 × 150 × 50 % = 750
    assert trading["reservations"].find_one()["margin"] == 1230
    said = step(decision(trading), "margin_preview")
    assert (said["before"], said["after"]) == (750, 1230)
    assert "1,230.00 by the broker of Mock-1" in said["sentence"]


def test_a_preview_serves_other_quantities_in_the_same_ratio(trading):
    add_signal(trading, "s1")
    cerebro, poller = make_cerebro(trading), make_poller(trading)
    decide(cerebro, "s1")
    poller.quote(until=0)
    add_signal(trading, "s2", leg={"quantity": 4})
    assert decide(cerebro, "s2")
    assert trading["reservations"].find_one()["margin"] == 492


def test_without_an_answer_the_formula_is_used_after_the_wait_and_both_are_told(trading):
    add_signal(trading, "s1", age_seconds=11)
    assert decide(make_cerebro(trading), "s1")
    assert trading["reservations"].find_one()["margin"] == 750
    assert "has not said yet" in step(decision(trading), "margin_preview")["sentence"]
    assert "upper bound" in step(decision(trading), "margin_rate")["sentence"]


def test_what_only_the_broker_knows_is_denied_when_it_does_not_say(trading):
    copper = {"instrument_type": "FUTURE", "instrument": "HG", "expiry": "20991229"}
    add_signal(trading, "s1", leg=copper, age_seconds=11)
    assert decide(make_cerebro(trading), "s1")
    assert decision(trading)["code"] == "MARGIN_UNKNOWN"
    add_signal(trading, "s2", leg={**copper, "quantity": 1, "price": 4.25})
    cerebro = make_cerebro(trading)
    decide(cerebro, "s2")
    make_poller(trading).quote(until=0)
    decide(cerebro, "s2")
    assert decision(trading, "s2")["outcome"] == "APPROVED"


def test_a_preview_that_fails_leaves_the_older_amounts(trading):
    add_signal(trading, "s1")
    cerebro, bank = make_cerebro(trading), Bank(ACCOUNT)
    poller = make_poller(trading, bank)
    decide(cerebro, "s1")
    poller.quote(until=0)
    trading["margin_previews"].update_one(
        {}, {"$set": {"wanted_at": utc_now() + timedelta(days=1)}}
    )
    bank.margin = None
    poller.quote(until=0)
    row = trading["margin_previews"].find_one()
    assert (row["initial_margin"], row["error"]) == (1230, "the line is dead")


# From equity to lock and back


def test_a_loss_locks_entries_until_a_person_resets_it(store):
    add_strategy(store)
    add_account(store)
    allow_trading(store)
    limit = {"max_drawdown_ratio": Decimal("0.1")}
    set_limits(store, Scope.ACCOUNT, "*", limit, by="test", reason="test")
    bank, cerebro = Bank(ACCOUNT), make_cerebro(store)
    poller = make_poller(store, bank)
    poller.poll()
    bank.equity = Decimal(890_000)
    poller.poll()
    bank.equity = Decimal(999_000)  # it has come back, but a person has not looked yet
    poller.poll()
    for name, code in (("s1", "DRAWDOWN_EXCEEDED"), ("s2", "ENTRIES_LOCKED")):
        add_signal(store, name)
        decide(cerebro, name)
        assert decision(store, name)["code"] == code
    key = f"DRAWDOWN|ACCOUNT|{ACCOUNT}"
    clear_lock(store, key, by="olga", reason="looked at it")
    poller.poll()
    add_signal(store, "s3")
    decide(cerebro, "s3")
    assert decision(store, "s3")["outcome"] == "APPROVED"
