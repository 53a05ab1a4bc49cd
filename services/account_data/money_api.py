"""HTTP for what people say of money: deposits, withdrawals, and what a doubted equity was."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from services.account_data.api import PROBLEMS, Reader, Trader
from services.account_data.capital import Capital
from services.account_data.readings import Readings
from services.account_data.recording import Payment, Signed
from services.account_data.requests import Confirmation, FlowArrival, FlowEntry, FlowReversal
from services.account_data.views import AccountView, Amount
from services.domain.capital import CapitalFlow
from services.domain.values import ZERO, Frozen, Instant
from services.domain.words import FlowStatus, JumpMeaning


class FlowView(Frozen):
    """A payment as it is kept (`CapitalFlow`).

    Attributes:
        status: PENDING: the broker's figures do not show it; SETTLED: they do, since `settled_at`;
            REVERSED: it counts nowhere.
    """

    flow_id: str
    account_id: str
    amount: Amount
    currency: str
    account_amount: Amount
    effective_at: Instant
    recorded_at: Instant
    by: str
    reason: str
    status: FlowStatus
    settled_at: Instant | None
    reverses: str
    reversed_by: str


class Confirmed(Frozen):
    """What is believed from now on."""

    sentence: str
    account: AccountView


def add_money_routes(
    app: FastAPI, capital: Capital, readings: Readings, *, after: Callable[[str], None]
) -> None:
    """Enter and take back payments, and confirm a doubted equity.

    Args:
        app: to which.
        capital: writes them.
        readings: shows them.
        after: called with the account that has changed.
    """

    @app.get("/api/v1/accounts/{account_id}/flows", responses=PROBLEMS, tags=["money"])
    def get_flows(account_id: str, _by: Reader) -> list[FlowView]:
        """Deposits and withdrawals, the newest first."""
        return [_view(each) for each in capital.flows(account_id)]

    @app.post(
        "/api/v1/accounts/{account_id}/flows", status_code=201, responses=PROBLEMS, tags=["money"]
    )
    def post_flow(account_id: str, entry: FlowEntry, by: Trader) -> FlowView:
        """Enter a payment, before or after the broker shows it; the same again is the same."""
        flow = capital.record(account_id, entry.payment(), Signed(by.name, entry.reason))
        after(account_id)
        return _view(flow)

    @app.post(
        "/api/v1/accounts/{account_id}/flows/{flow_id}/reverse",
        status_code=201,
        responses=PROBLEMS,
        tags=["money"],
    )
    def post_reversal(account_id: str, flow_id: str, asked: FlowReversal, by: Trader) -> FlowView:
        """Take a payment back that never was; both entries stay."""
        signed = Signed(by.name, asked.reason)
        flow = capital.reverse(account_id, flow_id, signed, reversal_id=asked.flow_id)
        after(account_id)
        return _view(flow)

    @app.post(
        "/api/v1/accounts/{account_id}/flows/{flow_id}/settle", responses=PROBLEMS, tags=["money"]
    )
    def post_settled(account_id: str, flow_id: str, asked: FlowArrival, by: Trader) -> FlowView:
        """Say when a payment came that the broker's cash does not show."""
        flow = capital.settle(account_id, flow_id, Signed(by.name, asked.reason), at=asked.at)
        after(account_id)
        return _view(flow)

    @app.post("/api/v1/accounts/{account_id}/confirm", responses=PROBLEMS, tags=["money"])
    def post_confirmation(account_id: str, asked: Confirmation, by: Trader) -> Confirmed:
        """Say what a doubted equity was; marks follow it, and entries go again."""
        payment = _payment(readings.account(account_id, anew=True), asked.checked())
        signed = Signed(by.name, asked.reason)
        sentence = capital.confirm(account_id, asked.jump_id, signed, payment=payment)
        after(account_id)
        return Confirmed(sentence=sentence, account=readings.account(account_id, anew=True))


def _payment(account: AccountView, asked: Confirmation) -> Payment | None:
    """What was paid; where nobody says how much, all that is not explained."""
    if asked.meaning is not JumpMeaning.FLOW or asked.flow_id is None:
        return None
    left = account.jump.unexplained if account.jump else None
    amount = asked.amount if asked.amount is not None else left
    at = account.jump.seen_at if account.jump else None
    return Payment(flow_id=asked.flow_id, amount=amount or ZERO, effective_at=at)


def _view(flow: CapitalFlow) -> FlowView:
    return FlowView.model_validate(flow.model_dump(include=set(FlowView.model_fields)))
