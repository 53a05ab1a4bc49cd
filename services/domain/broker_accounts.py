"""An account's place at its broker: what an adapter needs to reach it, and never shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from services.domain.words import AccountType

#: Secrets by name, asked for again whenever they are needed: some change every morning.
Secrets = Callable[[], Mapping[str, SecretStr]]


def no_secrets() -> Mapping[str, SecretStr]:
    """Of an account that has none."""
    return {}


@dataclass(frozen=True)
class BrokerAccount:
    """One account as an operator has set it up; two are equal where they lead to the same place.

    As it is stored: what of it can be used is said by whoever opens it.

    Attributes:
        broker: which adapter, in capitals.
        account_type: PAPER or LIVE.
        connection: fields of the broker's own link; never a secret.
        secrets: what opens it.
    """

    account_id: str
    broker: str
    account_type: str = AccountType.PAPER
    connection: Mapping[str, Any] = field(default_factory=dict)
    secrets: Secrets = field(default=no_secrets, compare=False, repr=False)
