"""What an account's stored connection must be, broker by broker. Pure: nothing is opened here.

A connection is checked when a person sets it, and again before it is used: rows of a database can
be changed by other hands. Paper and live are kept apart by everything that tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from brokers.ibkr.link import IbkrLink, mixture, type_of_account
from brokers.zerodha.link import ZerodhaLink
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError
from services.domain.words import AccountType

L = TypeVar("L", bound=BaseModel)
#: Client ids of the other purposes lie so far above that of orders, each above the last.
_CLIENT_ID_STEP: Final = 500
_DATA_CLIENT_ID: Final = "data_client_id"
_KITE: Final = "kite.trade"

#: Every broker, and the secrets that its accounts have.
SECRETS: Final[Mapping[str, tuple[str, ...]]] = {
    "MOCK": (),
    "IBKR": (),
    "ZERODHA": ("api_secret", "access_token"),
}


class Purpose(StrEnum):
    """What a link to a broker is for: some brokers want each under a name of its own."""

    ORDERS = "ORDERS"
    DATA = "DATA"
    CHECK = "CHECK"


def check_account(account: BrokerAccount, others: Iterable[BrokerAccount] = ()) -> None:
    """Refuse an account that cannot be opened as it is set up, or not beside the others.

    Args:
        account: which.
        others: accounts that stay as they are; itself among them is left out.

    Raises:
        ConfigurationError: the sentence names the account and the field.
    """
    if account.broker not in SECRETS:
        known = ", ".join(SECRETS)
        raise _refusal(account, f"broker must be one of {known}, was {account.broker!r}")
    account_type(account)
    places = _places(account)
    for other in others:
        if other.account_id == account.account_id or other.broker != account.broker:
            continue
        try:
            taken = _places(other)
        except ConfigurationError:
            continue  # it is told of itself, and cannot be opened
        for place in places:
            if place in taken:
                raise _refusal(account, f"{place} is account {other.account_id} already")


def account_type(account: BrokerAccount) -> AccountType:
    """Whether real money is behind an account. Raises: ConfigurationError: it does not say."""
    try:
        return AccountType(account.account_type)
    except ValueError as error:
        known = ", ".join(AccountType)
        found = account.account_type
        raise _refusal(account, f"account_type must be one of {known}, was {found!r}") from error


def ibkr_link(account: BrokerAccount, purpose: Purpose) -> IbkrLink:
    """Where an account is at Interactive Brokers. Raises: ConfigurationError."""
    fields = _fields(account)
    data_client_id = fields.pop(_DATA_CLIENT_ID, None)
    link = _read(IbkrLink, account, fields, (_DATA_CLIENT_ID,))
    _check_ibkr(account, link)
    if data_client_id is None:
        data_client_id = link.client_id + _CLIENT_ID_STEP
    if not isinstance(data_client_id, int) or data_client_id < 1:
        sentence = f"connection.{_DATA_CLIENT_ID} must be a number above 0, was {data_client_id!r}"
        raise _refusal(account, sentence)
    ids = {
        Purpose.ORDERS: link.client_id,
        Purpose.DATA: data_client_id,
        Purpose.CHECK: data_client_id + _CLIENT_ID_STEP,
    }
    if len(set(ids.values())) < len(ids):
        sentence = f"connection.{_DATA_CLIENT_ID} must not be client_id, was {data_client_id}"
        raise _refusal(account, sentence)
    return link.model_copy(update={"client_id": ids[purpose]})


def zerodha_link(account: BrokerAccount) -> ZerodhaLink:
    """Where an account is at Zerodha. Raises: ConfigurationError."""
    link = _read(ZerodhaLink, account, _fields(account))
    at_kite = any(
        host == _KITE or host.endswith(f".{_KITE}")
        for host in (urlsplit(each).hostname or "" for each in (link.root, link.ticker_url))
    )
    if account_type(account) is AccountType.PAPER and at_kite:
        raise _refusal(
            account,
            "Zerodha has no paper accounts: account_type must be LIVE (or broker MOCK), was PAPER",
        )
    if account_type(account) is AccountType.LIVE:
        for name, wanted in (("root", "https"), ("ticker_url", "wss")):
            found = urlsplit(getattr(link, name)).scheme
            if found != wanted:
                raise _refusal(account, f"connection.{name} must be {wanted}://, was {found}://")
    return link


def _check_ibkr(account: BrokerAccount, link: IbkrLink) -> None:
    """Refuse a paper account at a live gateway, and the other way round."""
    wanted = account_type(account)
    if sentence := mixture(link, wanted):
        raise _refusal(account, f"connection: {sentence}")
    if wanted is AccountType.PAPER and type_of_account(link.broker_account) is None:
        raise _refusal(
            account,
            f"connection.broker_account of a PAPER account begins with D, "
            f"was {link.broker_account!r}",
        )


def _places(account: BrokerAccount) -> tuple[str, ...]:
    """What no two accounts may share, in words. Raises: ConfigurationError."""
    if account.broker == "IBKR":
        links = [ibkr_link(account, purpose) for purpose in Purpose]
        clients = (f"client id {each.client_id} at {_host(each)}:{each.port}" for each in links)
        return (*clients, f"broker_account {links[0].broker_account}")
    if account.broker == "ZERODHA":
        link = zerodha_link(account)
        user = (f"user_id {link.user_id}",) if link.user_id else ()
        return (f"api_key {link.api_key}", *user)
    if fields := _fields(account):
        name = min(fields)
        raise _refusal(account, f"connection has no field {name!r}: {account.broker} needs none")
    return ()


def _host(link: IbkrLink) -> str:
    host = link.host.lower()
    return "127.0.0.1" if host == "localhost" else host


def _fields(account: BrokerAccount) -> dict[str, Any]:
    if not isinstance(account.connection, Mapping):
        raise _refusal(account, "connection must be an object of fields")
    return dict(account.connection)


def _read(
    model: type[L], account: BrokerAccount, fields: Mapping[str, Any], more: tuple[str, ...] = ()
) -> L:
    """A link of stored fields; what is no field of it is named, and never shown."""
    known = (*model.model_fields, *more)
    unknown = sorted(fields.keys() - set(known))
    if unknown:
        names = ", ".join(known)
        raise _refusal(account, f"connection has no field {unknown[0]!r}; there are {names}")
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        faults = "; ".join(
            f"connection.{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise _refusal(account, faults) from error


def _refusal(account: BrokerAccount, sentence: str) -> ConfigurationError:
    return ConfigurationError(f"account {account.account_id}: {sentence}")
