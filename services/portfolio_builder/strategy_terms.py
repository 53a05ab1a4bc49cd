"""What a person sets of a strategy, as it is typed, stored and shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, field_validator, model_validator

from services.domain.accounts import Strategy
from services.domain.orders import UNATTRIBUTED
from services.domain.risk import LimitSet
from services.domain.values import Frozen, Instant
from services.domain.words import AccountType, ActiveStatus, StrategyMode

#: Ids are parts of keys, paths and file names.
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
#: Nobody's strategy: what an account holds that is none's, and what ids of limits mean by all.
_TAKEN: Final = frozenset({UNATTRIBUTED, "GLOBAL", "CURRENT"})
_Line = Annotated[str, Field(max_length=200)]
_Text = Annotated[str, Field(max_length=10_000)]


class AssetClass(StrEnum):
    """What a strategy mostly trades; for people, nothing is refused by it."""

    EQUITIES = "EQUITIES"
    OPTIONS = "OPTIONS"
    FUTURES = "FUTURES"
    FOREX = "FOREX"
    CRYPTO = "CRYPTO"
    COMMODITIES = "COMMODITIES"
    MIXED = "MIXED"
    UNKNOWN = "UNKNOWN"


def fault_of_id(strategy_id: str) -> str:
    """Why an id cannot be a strategy's, in words; "" where it can."""
    if not _ID.fullmatch(strategy_id):
        return (
            "strategy_id must be 1 to 64 letters, digits, '_', '.' and '-', beginning with a "
            f"letter or digit, was {strategy_id!r}"
        )
    if strategy_id.upper() in _TAKEN:
        return f"strategy_id {strategy_id!r} is the system's own; take another"
    return ""


class StrategySheet(Strategy):
    """A strategy as people keep it: what Cerebro reads, and what only people do.

    Attributes:
        name: as pages show it; empty = the id.
        owner: who answers for it with us.
        developer_contact: how whoever sends its signals is reached.
        asset_class: what it mostly trades.
        instruments: symbols that it is said to trade; what is enforced is `instrument_types`.
        include_in_optimization: whether studies take it where they name no strategies.
    """

    name: _Line = ""
    description: _Text = ""
    owner: _Line = ""
    developer_contact: _Line = ""
    asset_class: AssetClass = AssetClass.UNKNOWN
    instruments: Annotated[tuple[_Line, ...], Field(max_length=1000)] = ()
    include_in_optimization: bool = True
    notes: _Text = ""

    @model_validator(mode="before")
    @classmethod
    def _accounts_are_a_list(cls, value: Any) -> Any:  # noqa: ANN401 - whatever is to be checked
        if isinstance(value, Mapping) and "account" in value:
            raise ValueError('there is no field account: send accounts=[{"account_id": …}]')
        return value

    @field_validator("asset_class", mode="before")
    @classmethod
    def _in_capitals(cls, value: Any) -> Any:  # noqa: ANN401 - whatever is to be checked
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _accounts_once(self) -> StrategySheet:
        names = [each.account_id for each in self.accounts]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"accounts names {', '.join(twice)} more than once")
        return self


#: What a person sets; everything else of the document is kept by processes.
SETTABLE: Final = tuple(name for name in StrategySheet.model_fields if name != "strategy_id")


class CredentialHint(Frozen):
    """A credential by what may be shown of it; made and revoked at the gateway."""

    credential_id: str
    kind: str
    label: str = ""
    hint: str = ""
    created_at: Instant | None = None
    expires_at: Instant | None = None
    revoked_at: Instant | None = None


class StrategyView(StrategySheet):
    """A strategy with what surrounds it.

    Attributes:
        version: grows with each change; the next change must name it.
        archived_at: since when it is kept for its history only; None = in use.
        allocation_ratio: approved share of equity; None = none.
        credentials: with which its signals are sent.
        limits: its own; None = none.
        warnings: what will keep it from trading as it is set up, in sentences.
    """

    version: int = 0
    created_at: Instant | None = None
    created_by: str | None = None
    updated_at: Instant | None = None
    updated_by: str | None = None
    archived_at: Instant | None = None
    allocation_ratio: Decimal | None = None
    credentials: tuple[CredentialHint, ...] = ()
    limits: LimitSet | None = None
    warnings: tuple[str, ...] = ()


def warnings_of(
    sheet: StrategySheet,
    *,
    account_types: Mapping[str, AccountType],
    allocation_ratio: Decimal | None,
    credentials: Sequence[CredentialHint],
) -> tuple[str, ...]:
    """What will keep a strategy from trading as it is set up.

    Args:
        sheet: the strategy.
        account_types: by account_id, of all accounts there are.
        allocation_ratio: approved share of equity.
        credentials: all it has.
    """
    return tuple(_warnings(sheet, account_types, allocation_ratio, credentials))


def _warnings(
    sheet: StrategySheet,
    account_types: Mapping[str, AccountType],
    allocation_ratio: Decimal | None,
    credentials: Sequence[CredentialHint],
) -> Iterable[str]:
    if sheet.status is not ActiveStatus.ACTIVE:
        yield f"it is {sheet.status}: entries are denied"
    if not sheet.accounts:
        yield "it has no account: every signal is denied (ACCOUNTS_MISSING)"
    for each in sheet.accounts:
        kind = account_types.get(each.account_id)
        if kind is None:
            yield f"there is no account {each.account_id} any more"
        elif kind is AccountType.LIVE and sheet.mode is StrategyMode.PAPER:
            yield f"{each.account_id} is a live account, which mode PAPER never reaches"
    if not allocation_ratio:
        yield "no approved allocation gives it money: entries are denied (ALLOCATION_MISSING)"
    if all(each.revoked_at is not None for each in credentials):
        yield "it has no credential: nobody can send for it"
