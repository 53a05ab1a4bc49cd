"""All queries of account data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from brokers.broker import AccountState, MarginQuote, Quote
from services.account_data.fund import fund_of
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Document, Store, from_document, to_document
from services.domain.accounts import (
    AccountSnapshot,
    PreviewLeg,
    market_price_id,
)
from services.domain.errors import TransientError
from services.domain.instruments import Instrument
from services.domain.marks import marked
from services.domain.risk import EquityMarks, Fund
from services.domain.words import AccountType, ActiveStatus

_UNREACHABLE: Final = "ACCOUNT_UNREACHABLE"
_PRICES: Final = "market_prices"
_PREVIEWS: Final = "margin_previews"
M = TypeVar("M", bound=BaseModel)
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


def _read(model: type[M], document: Document | None, whose: str) -> M | None:
    """A stored value, None where there is none. Raises: TransientError where it is another."""
    if document is None:
        return None
    try:
        return from_document(model, document)
    except ValidationError as error:
        raise TransientError(
            f"what is stored of {whose} is no {model.__name__}: {error}"
        ) from error


def _type_of(row: Document) -> str:
    return str(row.get("account_type", AccountType.PAPER))


def _member(row: Document) -> AccountSnapshot | None:
    """An account of the fund; None where it cannot be read, as Cerebro could not."""
    try:
        return from_document(AccountSnapshot, {"account_id": row["_id"], **row})
    except ValidationError:
        return None


class AccountStore:
    """Reads the list of accounts, writes what their brokers say.

    Args:
        store: the database.
        fund_currency: what the sum of all accounts of a type is counted in.
    """

    def __init__(self, store: Store, *, fund_currency: str = "USD") -> None:
        self._store = store
        self._fund_currency = fund_currency

    def save_state(self, state: AccountState, *, recorded_at: datetime) -> None:
        """Write one answer and its marks together, and end the present trouble.

        `as_of` is the broker's time, but never later than our own: figures from a broker whose
        clock is ahead must not stay fresh for longer than others. Marks in another currency than
        the answer's are forgotten.

        Raises:
            TransientError: the database went away, or the stored marks cannot be read.
        """
        as_of = min(state.as_of, recorded_at)
        said = state.model_dump(exclude={"account_id", "as_of"})
        said |= {"as_of": as_of, "recorded_at": recorded_at, "poll_error": None}
        accounts, key = self._store["trading_accounts"], {"_id": state.account_id}

        def work(session: ClientSession) -> None:
            # In a transaction, so that a person's reset of the marks in between is not undone.
            found = accounts.find_one(key, {"marks": 1, "currency": 1}, session=session)
            if found is None:
                return
            same = found.get("currency") == state.currency
            former = _read(EquityMarks, found.get("marks"), state.account_id) if same else None
            marks = to_document(marked(former, state.equity, as_of))
            accounts.update_one(key, {"$set": {**said, "marks": marks}}, session=session)

        self._store.transaction(work)

    def keep_fund(self, account_id: str, *, now: datetime) -> None:
        """Bring the fund that an account belongs to up to what is stored of all its accounts.

        In a transaction: of two pollers at once the second starts over, on what the first wrote.

        Raises:
            TransientError: the database went away, or the stored fund cannot be read.
        """

        def work(session: ClientSession) -> None:
            self._keep_fund(account_id, now, session)

        try:
            self._store.transaction(work)
        except DuplicateKeyError:  # another poller made the first one meanwhile
            self._store.transaction(work)

    def _keep_fund(self, account_id: str, now: datetime, session: ClientSession) -> None:
        rows = list(self._store["trading_accounts"].find({}, session=session))
        account_type = next((_type_of(row) for row in rows if row["_id"] == account_id), None)
        if account_type is None:
            return
        members = {row["_id"]: (row, _member(row)) for row in rows if _type_of(row) == account_type}
        stored = self._store["funds"].find_one({"_id": account_type}, session=session)
        fund = fund_of(
            [account for _, account in members.values() if account],
            unreadable=[
                name
                for name, (row, account) in members.items()
                if account is None and row.get("status") != ActiveStatus.INACTIVE
            ],
            currency=self._fund_currency,
            former=_read(Fund, stored, f"the {account_type} fund"),
            now=now,
        )
        self._store["funds"].update_one(
            {"_id": account_type}, {"$set": to_document(fund)}, upsert=True, session=session
        )

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
        raise_incident(
            self._store,
            kind=_UNREACHABLE,
            key=account_id,
            sentence=f"account {account_id} did not answer {failures} times in a row: {sentence}",
            facts={"account_id": account_id, "failures": failures},
        )

    def clear_unreachable(self, account_id: str) -> None:
        """The account answers again."""
        clear_incident(self._store, kind=_UNREACHABLE, key=account_id)

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

    def account(self, account_id: str) -> Document | None:
        """One account as stored."""
        return self._store["trading_accounts"].find_one({"_id": account_id})

    def accounts(self) -> list[Document]:
        """All accounts as stored, in the order of their ids."""
        return list(self._store["trading_accounts"].find({}).sort("_id"))
