"""Faults on command: which call each is for, how often, and what it may be asked of."""

import pytest
from pydantic import ValidationError

from brokers.mock.faults import Fault, FaultKind, Faults, Step, fits

K = FaultKind


def fault(kind=K.REJECT_NEXT, **fields):
    return Fault(account_id=fields.pop("account_id", "A"), kind=kind, **fields)


def test_a_fault_is_for_placements_where_nothing_else_is_said():
    assert fault().on is Step.PLACE
    assert fault(K.CANCEL_IGNORED).on is Step.CANCEL


def test_each_fault_waits_for_its_own_call_of_its_own_account():
    faults = Faults()
    faults.add(fault(K.THROTTLE, on=Step.QUERY, count=2))
    faults.add(fault(K.DELAY_ANSWER))
    assert faults.next_for("B", Step.QUERY) is None
    assert faults.next_for("A", Step.CANCEL) is None
    assert faults.next_for("A", Step.PLACE).kind is K.DELAY_ANSWER
    assert [bool(faults.next_for("A", Step.QUERY)) for _ in range(3)] == [True, True, False]


def test_faults_come_in_the_order_they_were_asked_for():
    faults = Faults()
    for kind in (K.THROTTLE, K.REJECT_NEXT):
        faults.add(fault(kind))
    assert [faults.next_for("A", Step.PLACE).kind for _ in range(2)] == [K.THROTTLE, K.REJECT_NEXT]


def test_an_outage_is_of_one_account_and_ends():
    faults = Faults()
    faults.add(fault(K.OUTAGE, seconds=600))
    assert faults.is_out("A")
    assert not faults.is_out("B")
    faults.add(fault(K.OUTAGE, seconds=0))
    assert not faults.is_out("A")


def test_clearing_one_account_leaves_the_others():
    faults = Faults()
    for account_id in ("A", "B"):
        faults.add(fault(account_id=account_id))
        faults.add(fault(K.OUTAGE, account_id=account_id))
    faults.clear("A")
    assert not faults.is_out("A")
    assert faults.next_for("A", Step.PLACE) is None
    assert faults.is_out("B")
    assert faults.next_for("B", Step.PLACE)
    faults.clear()
    assert not faults.is_out("B")


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        (K.OVERFILL, Step.CANCEL),
        (K.FILL_AFTER_CANCEL, Step.PLACE),
        (K.REJECT_NEXT, Step.QUERY),
        (K.ANSWER_TWICE, Step.STREAM),
        (K.HIDE_ORDER, Step.MODIFY),
    ],
)
def test_what_cannot_go_wrong_with_a_call_is_refused(kind, step):
    assert not fits(kind, step)
    with pytest.raises(ValidationError, match="is no fault of"):
        fault(kind, on=step)


@pytest.mark.parametrize("kind", list(K))
def test_every_fault_fits_some_call(kind):
    assert any(fits(kind, step) for step in Step)
    assert fault(kind).twist is not None


@pytest.mark.parametrize("fields", [{"count": 0}, {"seconds": -1}, {"kind": "NEVER"}, {"on": "X"}])
def test_nonsense_is_no_fault(fields):
    with pytest.raises(ValidationError):
        Fault(**{"account_id": "A", "kind": "THROTTLE", **fields})
