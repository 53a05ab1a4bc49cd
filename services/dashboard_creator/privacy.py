"""What of a decision its sender may read: everything of the signal, nothing of our accounts. Pure.

Codes that are about the signal itself come with their sentence and its numbers. Codes that are
about our money, or about what others hold, come with what the code means and with how much was cut:
an account's equity, margin or limit would otherwise be read off a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_uppercase
from typing import Final

from services.dashboard_creator.models import DecisionView, OrderView, SignalRecord, StepView
from services.dashboard_creator.sender_models import SenderDecision, SenderStep
from services.domain.refusals import CODES
from services.domain.words import Outcome

#: About the signal, its times, its instrument or the strategy's own books.
OF_THE_SIGNAL: Final = frozenset(
    {
        *("TRADING_REDUCING", "TRADING_HALTED", "STRATEGY_UNKNOWN", "STRATEGY_INACTIVE"),
        *("STRATEGY_SHADOW", "INSTRUMENT_TYPE_NOT_ALLOWED", "INSTRUMENT_EXPIRED"),
        *("ROUTING_STAGING_TO_LIVE", "ROUTING_PAPER_TO_LIVE", "ALLOCATION_MISSING"),
        *("SIGNAL_EXPIRED", "SIGNAL_FROM_FUTURE", "SEQUENCE_GAP", "POSITION_GAP"),
        *("OUTSIDE_TRADING_HOURS", "DUPLICATE_ORDER", "REPEATED_EXECUTION"),
        *("PYRAMIDING_EXCEEDED", "PRICE_OUTSIDE_COLLAR", "PRICE_COLLAR_UNKNOWN", "PRICE_MISSING"),
        *("STOP_LOSS_MISSING", "STOP_LOSS_WRONG_SIDE", "TAKE_PROFIT_WRONG_SIDE"),
        *("SENDER_EQUITY_MISSING", "SIDE_MISSING", "NO_POSITION", "ALREADY_CLOSED"),
        *("POSITION_OPPOSITE", "ENTRY_CANCELED", "ENTRY_NOT_FOUND", "REVERSAL_EXIT_OPEN"),
        *("NOTHING_TO_CANCEL", "ENTRY_BOUND"),
    }
)


def aliases(account_ids: Iterable[str]) -> dict[str, str]:
    """Names in place of account ids; the same account has one name on one page."""
    names = sorted(set(account_ids), key=lambda name: (-len(name), name))
    return {name: f"account {_letters(place)}" for place, name in enumerate(sorted(names))}


def _letters(place: int) -> str:
    size = len(ascii_uppercase)
    return (_letters(place // size - 1) if place >= size else "") + ascii_uppercase[place % size]


def masked(text: str, names: Mapping[str, str]) -> str:
    """A text without account ids, whole words only, the longest id first."""
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<![\w-])(?:account )?{re.escape(name)}(?![\w-])", names[name], text)
    return text


def private_record(record: SignalRecord, names: Mapping[str, str]) -> SignalRecord:
    """A signal whose decision says no more than its sender may read."""
    decision = record.decision
    if decision is None:
        return record
    told = decision.model_copy(update={"reason": reason_of(decision, names)})
    return record.model_copy(update={"decision": told})


def private_orders(orders: Sequence[OrderView], names: Mapping[str, str]) -> list[OrderView]:
    """Orders whose account has another name; the broker's words may name it, too."""
    return [
        order.model_copy(
            update={
                "account_id": names.get(order.account_id, "an account"),
                "text": masked(order.text, names),
            }
        )
        for order in orders
    ]


def reason_of(decision: DecisionView, names: Mapping[str, str]) -> str:
    """Why, as far as the sender may know."""
    code = decision.code
    if decision.outcome is Outcome.APPROVED or not code or code in OF_THE_SIGNAL:
        return masked(decision.reason, names)
    meaning = CODES.get(code)
    return meaning.sentence if meaning else "a limit of the operator"


def decision_of(decision: DecisionView, names: Mapping[str, str]) -> SenderDecision:
    """The answer with the steps that changed it."""
    meaning = CODES.get(decision.code)
    return SenderDecision(
        outcome=decision.outcome,
        code=decision.code,
        reason=reason_of(decision, names),
        meaning=meaning.sentence if meaning else "",
        fix=meaning.fix if meaning else "",
        steps=tuple(_step(each) for each in decision.steps if each.bound),
        decided_at=decision.decided_at,
    )


def _step(step: StepView) -> SenderStep:
    kept = None
    if step.before and step.after is not None:
        kept = round(float(step.after / step.before), 6)
    name = step.name.upper()
    codes = (f"{name}_BOUND", f"{name}_EXCEEDED", name)
    meaning = next((CODES[code] for code in codes if code in CODES), None)
    words = meaning.sentence if meaning else f"the step {step.name} changed the size"
    return SenderStep(name=step.name, kept_ratio=kept, sentence=words)
