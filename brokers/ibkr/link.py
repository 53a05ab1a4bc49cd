"""Which gateway, and which of its accounts; and whether they are what they are said to be."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pydantic import Field

from services.domain.values import Frozen
from services.domain.words import AccountType

#: As TWS and IB Gateway come out of the box.
_PORTS: Final = {
    4001: AccountType.LIVE,
    7496: AccountType.LIVE,
    4002: AccountType.PAPER,
    7497: AccountType.PAPER,
}


class IbkrLink(Frozen):
    """How to reach one account.

    Attributes:
        client_id: of the account's one connection, the same after every restart; another
            connection of the same login needs another. 0 would bind orders made by hand.
        broker_account: IB's own name of the account, e.g. DU1234567.
        outside_rth: whether orders may fill outside regular trading hours.
    """

    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65_535)
    client_id: int = Field(ge=1, le=2**31 - 1)
    broker_account: str = Field(min_length=1)
    outside_rth: bool = False


def type_of_account(broker_account: str) -> AccountType | None:
    """What its name says: D… are IB's paper accounts, U…, F… and I… live; None = another name."""
    if broker_account.startswith("D"):
        return AccountType.PAPER
    return AccountType.LIVE if broker_account.startswith(("U", "F", "I")) else None


def type_of_port(port: int) -> AccountType | None:
    """What is usually behind a port; None = one that somebody has chosen."""
    return _PORTS.get(port)


def mixture(link: IbkrLink, account_type: AccountType) -> str:
    """Why this link is not one to an account of this type; empty = nothing speaks against it."""
    named, usual = type_of_account(link.broker_account), type_of_port(link.port)
    if named not in {None, account_type}:
        return f"{link.broker_account} is a {named} account, and {account_type} was set up"
    if usual not in {None, account_type}:
        return f"port {link.port} is a {usual} gateway's, and {account_type} was set up"
    return ""


def missing_account(link: IbkrLink, managed: Collection[str]) -> str:
    """Why a gateway is not the account's; empty = it has it."""
    if link.broker_account in managed:
        return ""
    has = ", ".join(sorted(managed)) or "none"
    return f"the gateway is not logged in to {link.broker_account}; it has {has}"
