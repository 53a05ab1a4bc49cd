"""What people send to account data over HTTP; anything else is refused. Pure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from services.account_data.recording import Payment
from services.common.scopes import faults_of
from services.domain.accounts import PreviewLeg
from services.domain.capital import FLOW_ID
from services.domain.errors import Declined
from services.domain.instruments import Instrument
from services.domain.values import Exact, Instant, Positive
from services.domain.words import AccountType, ActiveStatus, InstrumentType, JumpMeaning, Side

_Reason = Annotated[str, Field(min_length=1, max_length=500)]
_FlowId = Annotated[str, Field(pattern=FLOW_ID)]
_Whole = Annotated[int, Field(ge=-(2**31), le=2**31)]
_Value = bool | _Whole | float | Annotated[str, Field(max_length=500)] | None
_SIDES: Final = {"LONG": Side.BUY, "SHORT": Side.SELL, "BUY": Side.BUY, "SELL": Side.SELL}


class Sent(BaseModel):
    """A body: fields that it does not know are refused."""

    model_config = ConfigDict(extra="forbid")


class AuthenticationDetails(Sent):
    """How an account is reached, as earlier clients say it; secrets are sent to their own route."""

    auth_type: str = ""
    host: str | None = None
    port: _Whole | None = None
    client_id: _Whole | None = None


class NewAccount(Sent):
    """An account to be followed and traded.

    Attributes:
        connection: fields of the broker's own link, see docs/brokers.md; never a secret.
        account_number: the broker's name of it, where `connection` does not say.
        poll_seconds: how often it is asked, where that is not as all are.
    """

    account_id: str = Field(max_length=80)
    account_name: str | None = None
    broker: str = Field(max_length=40)
    account_type: AccountType = AccountType.PAPER
    currency: str = Field("USD", max_length=10)
    connection: dict[str, _Value] = Field(default_factory=dict)
    account_number: str | None = None
    authentication_details: AuthenticationDetails | None = None
    poll_seconds: Annotated[Decimal, Field(allow_inf_nan=False)] | None = None
    reason: _Reason

    def row(self) -> dict[str, Any]:
        """As `add_account` wants it."""
        details = self.authentication_details
        told = details.model_dump(exclude={"auth_type"}, exclude_none=True) if details else {}
        number = {"broker_account": self.account_number} if self.account_number else {}
        found: dict[str, Any] = {
            "_id": self.account_id,
            "broker": self.broker.strip().upper(),
            "account_type": self.account_type,
            "currency": self.currency,
            "connection": {**told, **number, **self.connection},
        }
        if self.account_name is not None:
            found["account_name"] = self.account_name
        if self.poll_seconds is not None:
            found["poll_seconds"] = self.poll_seconds
        return found


class AccountChange(Sent):
    """What is to be otherwise; fields that are left out stay, null takes one away."""

    account_name: str | None = None
    poll_seconds: Annotated[Decimal, Field(allow_inf_nan=False)] | None = None
    status: ActiveStatus = ActiveStatus.ACTIVE
    connection: dict[str, _Value] = Field(default_factory=dict)
    reason: _Reason

    def settings(self) -> dict[str, Any]:
        """What was sent, beside the connection."""
        return self.model_dump(exclude_unset=True, exclude={"connection", "reason"})


class Secret(Sent):
    """One secret of an account: it is sealed, and never shown again."""

    value: SecretStr = Field(min_length=1, max_length=4000)


class FlowEntry(Sent):
    """A deposit (above 0) or a withdrawal (below 0).

    Attributes:
        flow_id: of your own making: the same again is the same payment.
        effective_at: when it was paid; left out = now.
        shown: whether the broker's figures have it already; left out = by the cash they show.
        confirm_large: it is meant, although it is more than the account's equity.
    """

    flow_id: _FlowId
    amount: Exact
    currency: str | None = Field(None, pattern="^[A-Z]{3}$")
    effective_at: Instant | None = None
    shown: bool | None = None
    confirm_large: bool = False
    reason: _Reason

    def payment(self) -> Payment:
        """As it is recorded."""
        return Payment.model_validate(self.model_dump(exclude={"reason"}))


class FlowReversal(Sent):
    """Why a payment is taken back, and what the entry is called that does it."""

    flow_id: _FlowId
    reason: _Reason


class FlowArrival(Sent):
    """When a payment came that the broker's cash does not show."""

    at: Instant
    reason: _Reason


class Confirmation(Sent):
    """What a doubted equity was.

    Attributes:
        jump_id: as it is shown with the account.
        flow_id: of the payment that it was; with FLOW only.
        amount: of that payment; left out = all that is not explained.
    """

    jump_id: str = Field(min_length=1, max_length=120)
    meaning: JumpMeaning
    flow_id: _FlowId | None = None
    amount: Exact | None = None
    reason: _Reason

    def checked(self) -> Confirmation:
        """Raises: Declined: a payment without an id, or an id without a payment."""
        if (self.meaning is JumpMeaning.FLOW) is (self.flow_id is None):
            wanted = "needs a flow_id" if self.flow_id is None else "has no flow_id"
            raise Declined("WRONG_MEANING", f"{self.meaning} {wanted}", field="flow_id")
        if self.meaning is JumpMeaning.GAIN_OR_LOSS and self.amount is not None:
            raise Declined("WRONG_MEANING", f"{self.meaning} has no amount", field="amount")
        return self


class PreviewRequest(Sent):
    """Of which order the margin is wanted; names as earlier clients send them.

    Attributes:
        direction: LONG or BUY, SHORT or SELL.
        expiry: `20261218` or `2026-12-18`.
        limit_price: not looked at: margin is of what would be held.
    """

    instrument: str = Field(min_length=1, max_length=40)
    direction: Literal["LONG", "SHORT", "BUY", "SELL"]
    quantity: Positive
    order_type: str = Field("MARKET", max_length=20)
    instrument_type: InstrumentType = InstrumentType.STOCK
    expiry: str | None = Field(None, max_length=10)
    exchange: str | None = Field(None, max_length=20)
    currency: str = Field("USD", pattern="^[A-Z]{3}$")
    strike: Positive | None = None
    right: Literal["C", "P"] | None = None
    multiplier: Positive = Decimal(1)
    limit_price: Positive | None = None

    def leg(self) -> PreviewLeg:
        """As a broker is asked. Raises: Declined: there is no such instrument."""
        try:
            instrument = Instrument(
                instrument_type=self.instrument_type,
                symbol=self.instrument.strip().upper(),
                currency=self.currency,
                exchange=self.exchange,
                expiry=None if self.expiry is None else _day(self.expiry),
                strike=self.strike,
                right=self.right,
                multiplier=self.multiplier,
            )
        except ValidationError as error:
            raise Declined("WRONG_INSTRUMENT", faults_of(error), field="instrument") from error
        return PreviewLeg(
            instrument=instrument, side=_SIDES[self.direction], quantity=self.quantity
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Declined(
            "WRONG_INSTRUMENT",
            f"expiry must be a day such as 2026-12-18 or 20261218, was {text!r}",
            field="expiry",
        ) from error
