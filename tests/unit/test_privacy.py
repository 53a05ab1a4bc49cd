"""What of a decision its sender may read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.dashboard_creator.models import DecisionView, StepView
from services.dashboard_creator.privacy import OF_THE_SIGNAL, aliases, decision_of, masked
from services.domain.refusals import CODES
from tests.support.documents import ARRIVAL

NAMES = aliases(["Mock-1", "Mock-10", "IB-1"])


def decided(code, reason, *steps, outcome="DENIED"):
    return DecisionView(outcome=outcome, code=code, reason=reason, steps=steps, decided_at=ARRIVAL)


def test_accounts_have_other_names():
    assert NAMES == {"IB-1": "account A", "Mock-1": "account B", "Mock-10": "account C"}
    text = masked("account Mock-1 and Mock-10, not Mock-100", NAMES)
    assert text == "account B and account C, not Mock-100"


def test_what_is_of_the_signal_is_told_with_its_numbers():
    found = decision_of(decided("SIGNAL_EXPIRED", "it is 70 s old, Mock-1 allows 60 s"), NAMES)
    assert found.reason == "it is 70 s old, account B allows 60 s"


@pytest.mark.parametrize("code", sorted(CODES.keys() - OF_THE_SIGNAL))
def test_what_is_of_our_accounts_is_told_without_a_number(code):
    secret = "equity of Mock-1 is 1,234,567 USD"
    step = StepView(
        name="margin",
        account_id="Mock-1",
        before=Decimal(10),
        after=Decimal(4),
        limit=Decimal(777),
        bound=True,
        sentence=secret,
    )
    found = decision_of(decided(code, secret, step), NAMES).model_dump_json()
    assert not any(each in found for each in ("1,234,567", "Mock-1", "777"))


def test_a_step_says_how_much_was_kept():
    bound = StepView(name="margin", before=Decimal(10), after=Decimal(4), bound=True)
    free = StepView(name="split", before=Decimal(10), after=Decimal(10))
    found = decision_of(decided("MARGIN_BOUND", "x", bound, free, outcome="RESIZED"), NAMES)
    (step,) = found.steps
    assert (step.kept_ratio, step.sentence) == (0.4, "resized to the margin that is left")
    assert found.reason == "resized to the margin that is left"
