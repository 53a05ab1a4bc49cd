"""Rows that tests put into the store: a strategy with a key, an account, an allocation."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from services.common.clock import utc_now
from services.common.credentials import CredentialKind, create_credential, create_key
from services.common.store import Store, to_document
from services.domain.intake import take_in

STRATEGY = "SPX_1-D_Opt"
ACCOUNT = "Mock-1"


def add_strategy(store: Store, strategy_id: str = STRATEGY, accounts=(ACCOUNT,), ratio="0.5"):
    """A strategy that may trade in these accounts; its key."""
    key, credential = create_key()
    store["strategies"].insert_one(
        {
            "_id": strategy_id,
            "strategy_id": strategy_id,
            "name": strategy_id,
            "status": "ACTIVE",
            "accounts": [
                {"account_id": account_id, "weight_ratio": Decimal(1)} for account_id in accounts
            ],
            "credentials": [credential],
        }
    )
    row = {"strategy_id": strategy_id, "ratio": Decimal(ratio)}
    store["current_allocation"].update_one(
        {"_id": "current"}, {"$push": {"allocations": row}}, upsert=True
    )
    return key


def add_credential(store: Store, kind: CredentialKind, strategy_id: str = STRATEGY):
    """One more credential of a strategy; its secret."""
    secret, record = create_credential(kind)
    store["strategies"].update_one({"_id": strategy_id}, {"$push": {"credentials": record}})
    return secret


def add_operator(store: Store, name: str = "olga"):
    """A person who may do what operators do; the key."""
    secret, record = create_credential(CredentialKind.OPERATOR_KEY)
    store["users"].update_one(
        {"_id": name}, {"$set": {"role": "ADMIN"}, "$push": {"credentials": record}}, upsert=True
    )
    return secret


def add_account(store: Store, account_id: str = ACCOUNT, equity: str = "1000000", **fields):
    """A mock account whose data is fresh."""
    amount = Decimal(equity)
    row = {
        "_id": account_id,
        "account_id": account_id,
        "broker": "MOCK",
        "account_type": "PAPER",
        "status": "ACTIVE",
        "currency": "USD",
        "equity": amount,
        "cash": amount,
        "available_funds": amount,
        "as_of": utc_now(),
    }
    store["trading_accounts"].insert_one(row | fields)


def allow_trading(store: Store, state: str = "ACTIVE"):
    """Set the kill switch."""
    store["controls"].update_one({"_id": "global"}, {"$set": {"trading_state": state}}, upsert=True)


def ready_to_trade(store: Store) -> None:
    """The account, its strategy, and the kill switch on ACTIVE."""
    allow_trading(store)
    add_account(store)
    add_strategy(store)


def envelope(signal_id: str = "e1", **changes):
    """A signal as developers post it: BUY 10 AAPL at 150 for a 500,000 account."""
    leg = {
        "instrument": "AAPL",
        "instrument_type": "STOCK",
        "action": "BUY",
        "direction": "LONG",
        "quantity": 10,
        "order_type": "MARKET",
        "price": 150.0,
    }
    leg.update(changes.pop("leg", {}))
    return {
        "strategy_name": STRATEGY,
        "signalID": signal_id,
        "signal_type": "ENTRY",
        "account_equity": 500000,
        "signal_legs": [leg],
    } | changes


def add_signal(store, signal_id, *, age_seconds=0, sent=None, strategy_id=STRATEGY, **changes):
    """A standardised signal; `sent` are fields of it that say what was sent before."""
    received_at = utc_now() - timedelta(seconds=age_seconds)
    message = envelope(signal_id, strategy_name=strategy_id, **changes)
    taken = take_in(message, strategy_id=strategy_id, received_at=received_at)
    signal = taken.signals[0].model_copy(update={"signal_id": signal_id} | (sent or {}))
    store["signal_store"].insert_one(
        {
            "_id": signal_id,
            "signal_id": signal_id,
            "strategy_id": strategy_id,
            "external_id": signal.external_id,
            "status": "STANDARDIZED",
            "undecided": True,
            "intent": signal.intent,
            "signal": to_document(signal),
            "received_at": received_at,
            "stages": {"received_at": received_at},
        }
    )


def exit_fields():
    return {"signal_type": "EXIT", "leg": {"action": "SELL", "direction": "SHORT"}}


class SilentPublisher:
    """A bus that loses everything, and remembers what it was asked to lose."""

    def __init__(self):
        self.rung = []

    def ring(self, topic, rings):
        """Lose doorbells."""
        self.rung += [(topic, ring.key, dict(ring.fields)) for ring in rings]
        return False
