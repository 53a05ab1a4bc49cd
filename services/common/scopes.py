"""What an operator may name: scopes that exist, and who wants a change and why."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from bson.decimal128 import Decimal128
from pydantic import BaseModel, ValidationError
from pymongo.client_session import ClientSession

from services.common.store import Document, Store
from services.domain.errors import ConfigurationError
from services.domain.risk import EVERY_ACCOUNT, scope_key
from services.domain.words import InstrumentType, Scope

_COLLECTIONS: Final = {Scope.ACCOUNT: "trading_accounts", Scope.STRATEGY: "strategies"}
_LISTED = 10


def plain_scope_id(scope: Scope, scope_id: str) -> str:
    """The id as it is stored: symbols and asset classes in capitals, as signals have them.

    Raises:
        ConfigurationError: an id is missing, or one is given of everything.
    """
    scope_id = scope_id.strip()
    if (scope is Scope.GLOBAL) is bool(scope_id):
        wanted = "no id, it is everything" if scope is Scope.GLOBAL else "an id"
        raise ConfigurationError(f"{scope} takes {wanted}, was {scope_id!r}")
    if scope in {Scope.INSTRUMENT, Scope.ASSET_CLASS}:
        scope_id = scope_id.upper()
    return scope_id


def scope_of_row(row: Document) -> tuple[Scope, str]:
    """Scope and id of a stored row, by its fields.

    Raises:
        ConfigurationError: they are no scope as we write them, or not the one of the row's key: it
            would be found by no order.
    """
    try:
        scope = Scope(str(row.get("scope")))
    except ValueError as error:
        raise ConfigurationError(f"scope must be one of {', '.join(Scope)}") from error
    scope_id = plain_scope_id(scope, str(row.get("scope_id", "")))
    if row["_id"] != scope_key(scope, scope_id):
        raise ConfigurationError(f"{row['_id']!r} is not the key of {scope} {scope_id!r}")
    return scope, scope_id


def check_exists(
    store: Store, scope: Scope, scope_id: str, session: ClientSession | None = None
) -> None:
    """Refuse what can only be a typing error; any symbol may be an instrument.

    Raises:
        ConfigurationError: no such account, strategy or asset class; the sentence lists some.
    """
    if scope is Scope.ASSET_CLASS and scope_id not in InstrumentType.__members__:
        known = ", ".join(InstrumentType)
        raise ConfigurationError(f"there is no asset class {scope_id!r}; there are {known}")
    collection = _COLLECTIONS.get(scope)
    if collection is None:
        return
    if store[collection].find_one({"_id": scope_id}, {"_id": 1}, session=session) is None:
        some = store[collection].find({}, {"_id": 1}, session=session).sort("_id", 1).limit(_LISTED)
        names = ", ".join(str(row["_id"]) for row in some) or "none"
        word = scope.lower()
        raise ConfigurationError(f"there is no {word} named {scope_id!r}; there are: {names}")


def check_is_limitable(
    store: Store, scope: Scope, scope_id: str, session: ClientSession | None = None
) -> None:
    """As `check_exists`; of accounts also those for all that have no limits of their own."""
    if (scope, scope_id) != (Scope.ACCOUNT, EVERY_ACCOUNT):
        check_exists(store, scope, scope_id, session)


def check_signed(
    by: str, reason: str, *, asked: str = "reason must say why this is wanted"
) -> None:
    """Raises: ConfigurationError: nobody, or no reason, is named."""
    if not by.strip():
        raise ConfigurationError("by must name who wants this, was empty")
    if not reason.strip():
        raise ConfigurationError(f"{asked}, was empty")


def check_storable(value: BaseModel) -> None:
    """Raises: ConfigurationError: a number has more digits than the store keeps."""
    for name, number in value:
        if isinstance(number, Decimal):
            try:
                Decimal128(number)
            except ArithmeticError as error:
                raise ConfigurationError(
                    f"{name} must have at most 34 digits, was {number}"
                ) from error


def faults_of(error: ValidationError) -> str:
    """What is wrong with given values, in one sentence for a person."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'value'}: {fault['msg']}, was {fault['input']!r}"
        for fault in error.errors()
    )
