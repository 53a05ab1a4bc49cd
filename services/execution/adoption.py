"""What a person says of trades and positions that the books cannot explain by themselves.

Each act is one transaction with its audit record, and is refused where it would not bring books and
broker closer together: typed twice, it is done once.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.incidents import clear_incident
from services.common.scopes import check_exists, check_signed
from services.common.store import Document, Store, from_document, to_document
from services.domain.books import Position
from services.domain.comparison import Difference
from services.domain.errors import ConfigurationError
from services.domain.instruments import Instrument
from services.domain.orders import UNATTRIBUTED, Execution
from services.domain.values import ZERO
from services.domain.words import FillOrigin, Scope
from services.execution.books import Books
from services.execution.documents import Owner, confirmation_key, position_key, position_of_row
from services.execution.ledger import Ledger, counts
from services.execution.reconcile import adoptable, side_of


class Signature(NamedTuple):
    """Who wants it, and why."""

    by: str
    reason: str


class Trade(NamedTuple):
    """A trade that a person enters: signed quantity, price in the instrument's currency."""

    instrument: str
    quantity: Decimal
    price: Decimal


def adopt_position(
    store: Store, account_id: str, trade: Trade, *, to: str, signed: Signature
) -> Position:
    """Enter what the broker holds and no execution explains.

    Args:
        store: where it is kept.
        account_id: where it is held.
        trade: its `instrument` is a key or a symbol of a confirmed difference.
        to: strategy id, or UNATTRIBUTED.
        signed: goes to the audit log and to the fill.

    Returns: the position that it is part of now.

    Raises:
        ConfigurationError: there is no such difference, or this would not make it smaller.
        TransientError: the database does not answer.
    """
    check_signed(*signed)
    for name, number in (("quantity", trade.quantity), ("price", trade.price)):
        if not number.is_finite() or not number or (name == "price" and number < 0):
            wanted = "a price above 0" if name == "price" else "a signed quantity"
            raise ConfigurationError(f"{name} must be {wanted}, was {number}")
    return store.transaction(
        lambda session: _adopt_position(store, account_id, trade, to, signed, session)
    )


def _adopt_position(
    store: Store,
    account_id: str,
    trade: Trade,
    to: str,
    signed: Signature,
    session: ClientSession,
) -> Position:
    _check_owner(store, to, session)
    row = store["reconciliations"].find_one({"_id": account_id}, session=session) or {}
    known = [from_document(Difference, each) for each in row.get("differences", [])]
    difference = _named(known, trade.instrument, account_id)
    ledger = Ledger(store)
    held = Books(store, ledger, account_id).open_positions(session)
    _check_trade(difference, held, trade)
    execution = _entered(difference.instrument, trade)
    owner = Owner(to, account_id, origin=FillOrigin.ADOPTED)
    ledger.book_owned([(owner, execution)], session)
    store["execution_confirmations"].update_one(
        {"_id": confirmation_key(account_id, execution)},
        {"$set": {"adopted": _signature(signed)}},
        session=session,
    )
    # As it is now, so that the same is not adopted twice before the broker is asked again.
    books = difference.books + trade.quantity
    narrowed = difference.model_copy(update={"books": books})
    left = [narrowed if each is difference else each for each in known]
    store["reconciliations"].update_one(
        {"_id": account_id},
        {"$set": {"differences": [to_document(each) for each in left if each.gap]}},
        session=session,
    )
    facts = {"account_id": account_id, "to": to, "execution": to_document(execution)}
    _audit(store, "POSITION_ADOPTED", signed, facts, session)
    return _position(store, position_key(owner, execution), session)


def _check_trade(difference: Difference, held: Sequence[Position], trade: Trade) -> None:
    name = difference.instrument.symbol
    ours = [each.quantity for each in held if each.instrument.key == difference.instrument.key]
    if (now := sum(ours, ZERO)) != difference.books:
        raise ConfigurationError(
            f"our books say {now:f} {name} now and said {difference.books:f} when the broker was "
            "asked: reconcile first"
        )
    if not adoptable(difference.gap, trade.quantity):
        raise ConfigurationError(
            f"{difference.in_words}: what is adopted must have the sign of {difference.gap:f} and "
            f"be no more, was {trade.quantity:f}"
        )


def _entered(instrument: Instrument, trade: Trade) -> Execution:
    return Execution(
        execution_id=f"ADOPTED-{uuid.uuid4().hex}",
        client_order_id="",
        instrument=instrument,
        side=side_of(trade.quantity),
        quantity=abs(trade.quantity),
        price=trade.price,
        commission_currency=instrument.currency,
        occurred_at=utc_now(),
    )


def adopt_execution(store: Store, execution_id: str, *, to: str, signed: Signature) -> Position:
    """Give a trade of nobody's to a strategy, or to UNATTRIBUTED (back).

    Returns: the position that it is part of now.

    Raises:
        ConfigurationError: there is no such trade, it is of an order, or `to` has it already.
        TransientError: the database does not answer.
    """
    check_signed(*signed)
    position = store.transaction(
        lambda session: _adopt_execution(store, execution_id, to, signed, session)
    )
    clear_incident(store, kind="FOREIGN_TRADE", key=f"{position.account_id}|{execution_id}")
    return position


def _adopt_execution(
    store: Store, execution_id: str, to: str, signed: Signature, session: ClientSession
) -> Position:
    _check_owner(store, to, session)
    row = _foreign(store, execution_id, session)
    account_id, before = row["account_id"], row["strategy_id"]
    facts = {"account_id": account_id, "execution_id": execution_id, "from": before, "to": to}
    _audit(store, "TRADE_ADOPTED", signed, facts, session)
    if to == before:
        return _position(store, position_of_row(row), session)
    owner = Owner(to, account_id, origin=FillOrigin(row["origin"]))
    adopted = {**_signature(signed), "from": before}
    return Ledger(store).give(row, owner, adopted, session)


def _foreign(store: Store, execution_id: str, session: ClientSession) -> Document:
    rows = [
        row
        for account in store["trading_accounts"].find({}, {"_id": 1}, session=session)
        for row in store["execution_confirmations"].find(
            {"account_id": account["_id"], "execution_id": execution_id}, session=session
        )
        if counts(row)
    ]
    if len(rows) != 1:
        named = f"in {', '.join(sorted(row['account_id'] for row in rows))}" if rows else "nowhere"
        raise ConfigurationError(
            f"execution must name one trade that counts, {execution_id!r} is {named}"
        )
    if rows[0].get("origin", FillOrigin.ORDER) == FillOrigin.ORDER:
        raise ConfigurationError(
            f"{execution_id} is of order {rows[0]['client_order_id']} of "
            f"{rows[0]['strategy_id']}: it is nobody else's"
        )
    return rows[0]


def accept_cash(store: Store, account_id: str, *, signed: Signature) -> None:
    """Count cash from the broker's next figure: dividends, interest and deposits are no fills.

    Raises:
        ConfigurationError: nothing was ever compared in this account.
        TransientError: the database does not answer.
    """
    check_signed(*signed)
    store.transaction(lambda session: _accept_cash(store, account_id, signed, session))


def _accept_cash(store: Store, account_id: str, signed: Signature, session: ClientSession) -> None:
    row = store["reconciliations"].find_one({"_id": account_id}, session=session)
    if row is None or row.get("cash_base") is None:
        raise ConfigurationError(f"the cash of {account_id!r} was never compared")
    store["reconciliations"].update_one(
        {"_id": account_id}, {"$set": {"cash_base": None, "cash": None}}, session=session
    )
    facts = {"account_id": account_id, "cash": row.get("cash"), "base": row["cash_base"]}
    _audit(store, "CASH_ACCEPTED", signed, facts, session)


def _check_owner(store: Store, to: str, session: ClientSession) -> None:
    if to != UNATTRIBUTED:
        check_exists(store, Scope.STRATEGY, to, session)


def _named(known: list[Difference], name: str, account_id: str) -> Difference:
    confirmed = [each for each in known if each.confirmed]
    found = [each for each in confirmed if name in (each.instrument.key, each.instrument.symbol)]
    if len(found) != 1:
        there = ", ".join(each.instrument.key for each in found or confirmed) or "none"
        raise ConfigurationError(
            f"instrument must name one confirmed difference of {account_id}, was {name!r}; "
            f"there are: {there}"
        )
    return found[0]


def _signature(signed: Signature) -> Document:
    return {"by": signed.by.strip(), "reason": signed.reason.strip(), "at": utc_now()}


def _audit(
    store: Store, what: str, signed: Signature, facts: Document, session: ClientSession
) -> None:
    facts = {**facts, "reason": signed.reason.strip()}
    audit(store, what, service="operator", by=signed.by.strip(), facts=facts, session=session)


def _position(store: Store, key: str, session: ClientSession) -> Position:
    return from_document(Position, store["positions"].find_one({"_id": key}, session=session) or {})
