"""All queries of account data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

from brokers.broker import BrokerPosition, MarginQuote, Quote
from services.account_data.prices import keep_prices
from services.account_data.states import States, Told
from services.account_data.witness import Witness
from services.common.clock import utc_now
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Document, Store, from_document, to_document
from services.domain.accounts import PreviewLeg, market_price_id
from services.domain.instruments import Instrument
from services.domain.risk import EquityJump

_UNREACHABLE: Final = "ACCOUNT_UNREACHABLE"
_PRICES: Final = "market_prices"
_PREVIEWS: Final = "margin_previews"
#: What a broker is asked about: the price of an instrument, or the margin that legs would add.
Subject: TypeAlias = Instrument | tuple[PreviewLeg, ...]


def _legs(row: Document) -> tuple[PreviewLeg, ...]:
    return tuple(from_document(PreviewLeg, leg) for leg in row["legs"])


_SUBJECTS: Final[dict[str, Callable[[Document], Subject]]] = {
    _PRICES: lambda row: from_document(Instrument, row["instrument"]),
    _PREVIEWS: _legs,
}


class Wish(NamedTuple):
    """One question that a decision waits for an account's broker to answer."""

    collection: str
    key: str
    wanted_at: datetime
    subject: Subject


def _is_open(row: Document) -> bool:
    return row.get("answered_at") is None or bool(row["answered_at"] < row["wanted_at"])


class AccountStore:
    """Reads the list of accounts, writes what their brokers say.

    Args:
        store: the database.
        fund_currency: what the sum of all accounts of a type is counted in.
        jump_ratio: how much of a change of equity may stay unexplained.
        settle_seconds: how long books and broker must differ before a person is told.
    """

    def __init__(
        self,
        store: Store,
        *,
        fund_currency: str = "USD",
        jump_ratio: Decimal = Decimal("0.1"),
        settle_seconds: float = 60.0,
    ) -> None:
        self._store = store
        self._witness = Witness(store, settle_seconds=settle_seconds)
        self._states = States(store, fund_currency=fund_currency, jump_ratio=jump_ratio)

    def save_state(self, told: Told, *, recorded_at: datetime) -> EquityJump | None:
        """Write one answer (`States.save`)."""
        return self._states.save(told, recorded_at=recorded_at)

    def keep_prices(self, told: Told, *, at: datetime) -> None:
        """Keep what the broker says of what is held, for charts."""
        state = told.state
        prices = [
            (each.instrument.key, each.market_price)
            for each in told.positions or ()
            if each.market_price is not None
        ]
        keep_prices(self._store, state.account_id, prices, min(state.as_of, at))

    def keep_fund(self, account_id: str, *, now: datetime) -> None:
        """Bring an account's fund up to date (`States.keep_fund`)."""
        self._states.keep_fund(account_id, now=now)

    def books(self, account_id: str) -> Mapping[str, Decimal] | None:
        """What our books hold, before the broker is asked (`Witness.books`)."""
        return self._witness.books(account_id)

    def compare_books(
        self,
        account_id: str,
        told: Sequence[BrokerPosition],
        before: Mapping[str, Decimal] | None,
    ) -> None:
        """Compare what the broker holds with our books (`Witness.compare`)."""
        self._witness.compare(account_id, told, before, at=utc_now())

    def save_failure(self, account_id: str, sentence: str, *, at: datetime) -> None:
        """Note that the broker did not answer; amounts and as_of are left as they are."""
        accounts = self._store["trading_accounts"]
        error = {"sentence": sentence, "since": at, "last_at": at}
        first = accounts.update_one(
            {"_id": account_id, "poll_error": None}, {"$set": {"poll_error": error}}
        )
        if not first.matched_count:
            accounts.update_one(
                {"_id": account_id},
                {"$set": {"poll_error.sentence": sentence, "poll_error.last_at": at}},
            )

    def raise_unreachable(self, account_id: str, sentence: str, *, failures: int) -> None:
        """Show a person that an account has not answered several times in a row."""
        told = f"account {account_id} did not answer {failures} times in a row: {sentence}"
        self._raise(account_id, told, {"failures": failures})

    def raise_silent(self, account_id: str, sentence: str) -> None:
        """Show a person that an account's broker says nothing at all, not even that it fails."""
        self._raise(account_id, f"account {account_id}: {sentence}", {})

    def _raise(self, account_id: str, sentence: str, facts: Document) -> None:
        facts = {"account_id": account_id, **facts}
        raise_incident(
            self._store, kind=_UNREACHABLE, key=account_id, sentence=sentence, facts=facts
        )

    def clear_unreachable(self, account_id: str) -> None:
        """The account answers again."""
        clear_incident(self._store, kind=_UNREACHABLE, key=account_id)

    def clear_doubted(self, account_id: str) -> None:
        """Nobody doubts the account's equity any more."""
        clear_incident(self._store, kind="EQUITY_JUMP", key=account_id)

    def wishes(self, account_id: str, *, since: datetime) -> list[Wish]:
        """What was wanted of the broker since then and not answered since, oldest first."""
        query = {"account_id": account_id, "wanted_at": {"$gte": since}}
        found = [
            Wish(collection, row["_id"], row["wanted_at"], _SUBJECTS[collection](row))
            for collection in (_PRICES, _PREVIEWS)
            for row in self._store[collection].find(query)
            if _is_open(row)
        ]
        return sorted(found, key=lambda wish: wish.wanted_at)

    def paces(self) -> dict[str, float]:
        """Seconds between polls of the accounts that have a pace of their own."""
        query = {"poll_seconds": {"$gt": 0}}
        found = self._store["trading_accounts"].find(query, {"poll_seconds": 1})
        return {row["_id"]: float(row["poll_seconds"]) for row in found}

    def wanting(self, *, since: datetime) -> set[str]:
        """Accounts of whose brokers something was wanted since then and not answered since."""
        fields = {"account_id": 1, "wanted_at": 1, "answered_at": 1}
        return {
            row["account_id"]
            for collection in (_PRICES, _PREVIEWS)
            for row in self._store[collection].find({"wanted_at": {"$gte": since}}, fields)
            if "account_id" in row and _is_open(row)
        }

    def save_price(
        self, account_id: str, instrument: Instrument, quote: Quote | None, *, at: datetime
    ) -> None:
        """Write what the broker said; `as_of` never later than our own clock, as in `save_state`.

        None, which is "I know no price", ends an older one.
        """
        said = {
            "price": quote.price if quote else None,
            "as_of": min(quote.as_of, at) if quote else None,
        }
        self._answer(_PRICES, market_price_id(instrument, account_id), said, at=at)
        if quote:
            prices = [(instrument.key, quote.price)]
            keep_prices(self._store, account_id, prices, min(quote.as_of, at))

    def save_preview(
        self, key: str, legs: Sequence[PreviewLeg], quote: MarginQuote, *, at: datetime
    ) -> None:
        """Write what the broker said, beside what it said it of; `as_of` as in `save_price`."""
        said = {
            "legs": [to_document(leg) for leg in legs],
            "initial_margin": quote.initial_margin,
            "maintenance_margin": quote.maintenance_margin,
            "as_of": min(quote.as_of, at),
        }
        self._answer(_PREVIEWS, key, said, at=at)

    def save_no_answer(self, wish: Wish, sentence: str, *, at: datetime) -> None:
        """Note that the broker could not be asked; an earlier answer and its as_of are left."""
        self._store[wish.collection].update_one(
            {"_id": wish.key}, {"$set": {"error": sentence, "answered_at": at}}
        )

    def _answer(self, collection: str, key: str, said: Document, *, at: datetime) -> None:
        self._store[collection].update_one(
            {"_id": key}, {"$set": {**said, "error": None, "answered_at": at}}
        )
