"""Gaps in what a strategy sends: what counts as missing, what heals it, what waits for it."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cerebro.gaps import Chain, Count, Ledger, chain_id
from services.domain.signals import PreviousPosition
from services.domain.words import Intent, QuantityUnit, Side
from tests.support.builders import STRATEGY, make_leg, make_signal

KEY = chain_id(STRATEGY, make_leg())


def numbered(number, intent=Intent.ENTRY, **fields):
    fields.setdefault("signal_id", f"sig_{number}")
    return make_signal(intent=intent, sequence=number, **fields)


def claiming(held, side=Side.BUY, quantity="10", *, sized=True, **fields):
    sign = (held > 0) - (held < 0)
    claim = PreviousPosition(sign=sign, size=abs(Decimal(held)) if sized else None)
    return make_signal(make_leg(side=side, quantity=quantity), previous_position=claim, **fields)


def count_of(*numbers):
    count = Count(last=numbers[0])
    for number in numbers[1:]:
        count = count.after(number)
    return count


def send(ledger, signal, *, flat=False):
    """Hand a signal over as Cerebro does; whether something was missing before it."""
    gap = ledger.gap(signal, flat=flat)
    if gap is None or signal.intent.reduces_risk:
        ledger.take(signal, signal.intent, flat=flat)
    return gap is not None


def test_the_next_number_leaves_nothing_missing():
    assert count_of(5, 6) == Count(last=6)
    assert Count(last=5).missing_below(6) == ""


def test_skipped_numbers_are_missing_until_they_come():
    count = count_of(5, 8)
    assert count.missing == (6, 7)
    assert count.missing_below(8) == "6, 7 have"
    assert count.missing_below(7) == "6 has"
    assert count.missing_below(6) == ""
    assert count.after(7).after(6) == Count(last=8)


@pytest.mark.parametrize("first", [0, 1])
def test_one_or_zero_starts_a_new_count(first):
    count = count_of(5, 8, first)
    assert count == Count(last=first)
    assert count_of(5, 8).missing_below(first) == ""


def test_a_missing_one_is_no_new_start():
    assert count_of(0, 3).after(1) == Count(last=3, missing=(2,))


def test_a_repeated_number_is_told_and_misses_nothing():
    ledger = Ledger({STRATEGY: Count(last=9)})
    assert not send(ledger, numbered(4))
    assert "sent number 4 again, with signal sig_4; the last was 9" in ledger.repeats[STRATEGY]
    assert ledger.changed == {}


def test_a_large_jump_is_kept_as_a_number():
    count = count_of(5, 1_000_000_000_000)
    assert (len(count.missing), count.missing[-1]) == (100, 105)
    assert count.unlisted == 999_999_999_894
    assert count.missing_at_all() == "6, 7, 8, 9, 10 and 999999999989 more have"
    listed_came = count.model_copy(update={"missing": ()})
    assert listed_came.missing_below(2_000_000_000_000)
    assert not listed_came.repeats(500)  # it may be one of those that are missing


def test_entries_above_a_gap_are_held_and_exits_record_it():
    ledger = Ledger({STRATEGY: Count(last=5)})
    assert send(ledger, numbered(7))
    assert ledger.changed == {}
    assert send(ledger, numbered(8, Intent.EXIT))
    assert ledger.changed[STRATEGY, STRATEGY].missing == (6, 7)
    assert ledger.gaps[STRATEGY] == f"{STRATEGY}: count at 8, but 6, 7 have not come"
    assert not send(ledger, numbered(6))
    assert not send(ledger, numbered(7))
    assert ledger.gaps == {STRATEGY: None}


def test_a_replay_takes_no_part():
    ledger = Ledger({STRATEGY: Count(last=5), KEY: Chain.at(PreviousPosition(sign=0))})
    for signal in (numbered(9, replay_of="sig_0"), claiming(70, replay_of="sig_0")):
        assert not send(ledger, signal)
    assert (ledger.changed, ledger.gaps) == ({}, {})


class Delivery:
    """A bus that gives signals in any order, again and again, and remembers what was decided."""

    def __init__(self, first, entries):
        self.first = first
        self.entries = entries
        self.ledger = Ledger({})
        self.decided = []

    def give(self, number):
        if number in self.decided:
            return
        intent = Intent.ENTRY if number in self.entries else Intent.EXIT
        signal = numbered(number, intent)
        waits = self.ledger.gap(signal, flat=False) and not intent.reduces_risk
        if not waits:
            if number in self.entries:
                assert set(range(self.first, number)) <= set(self.decided)
            self.ledger.take(signal, intent, flat=False)
            self.decided.append(number)


@settings(deadline=None)
@given(data=st.data(), first=st.integers(0, 3), length=st.integers(1, 40))
def test_any_order_of_a_complete_count_ends_with_nothing_missing(data, first, length):
    numbers = list(range(first, first + length))
    entries = data.draw(st.sets(st.sampled_from(numbers)))
    orders = data.draw(st.lists(st.sampled_from(numbers), max_size=80))
    delivery = Delivery(first, entries)
    delivery.give(first)  # the first number that comes is where the count begins
    for number in orders + sorted(numbers, reverse=True) + numbers:
        delivery.give(number)
    assert sorted(delivery.decided) == numbers
    assert delivery.ledger._counts[STRATEGY] == Count(last=numbers[-1])
    assert delivery.ledger.gaps[STRATEGY] is None
    assert delivery.ledger.repeats == {}


def test_the_first_claim_is_where_a_chain_begins():
    ledger = Ledger({})
    assert not send(ledger, claiming(70))
    assert ledger.changed[STRATEGY, KEY].known == PreviousPosition(sign=1, size=Decimal(80))


def test_an_entry_waits_until_the_chain_leads_to_it():
    ledger = Ledger({})
    send(ledger, claiming(0))
    assert send(ledger, claiming(25))
    assert "held 25 AAPL before, but its signals so far make that 10" in ledger.gaps[KEY]
    assert not send(ledger, claiming(10, quantity="15"))
    assert not send(ledger, claiming(25))
    assert ledger.gaps[KEY] is None


def test_an_exit_past_a_gap_goes_and_the_late_signals_heal_it():
    ledger = Ledger({})
    send(ledger, claiming(10))  # 20
    assert send(ledger, claiming(50, Side.SELL, "5", intent=Intent.EXIT))  # they say 45, we 15
    assert "AAPL: signals so far make 15, but the sender says 45" in ledger.gaps[KEY]
    assert send(ledger, claiming(45))
    assert not send(ledger, claiming(20, quantity="10"))  # 30, the first of two that were late
    assert ledger.gaps[KEY]
    assert not send(ledger, claiming(30, quantity="20"))  # 50
    assert ledger.gaps[KEY] is None
    assert not send(ledger, claiming(45))


def test_a_held_entry_that_was_denied_still_counts_for_the_sender():
    ledger = Ledger({KEY: Chain.at(PreviousPosition(sign=0))})
    late = claiming(0)
    denied = claiming(10, quantity="5")
    assert ledger.gap(denied, flat=False)
    ledger.take(denied, Intent.ENTRY, flat=False)
    assert not send(ledger, late)
    assert not send(ledger, claiming(15))


def test_both_flat_heals():
    ledger = Ledger({KEY: Chain.at(PreviousPosition(sign=1, size=Decimal(10)))})
    assert send(ledger, claiming(0), flat=False)
    assert not send(ledger, claiming(0), flat=True)
    assert ledger.changed[STRATEGY, KEY] == Chain.at(PreviousPosition(sign=1, size=Decimal(10)))
    assert ledger.gaps[KEY] is None


def test_a_side_alone_is_compared_as_a_side():
    ledger = Ledger({})
    assert not send(ledger, claiming(0, sized=False))  # flat is a number all the same
    assert not send(ledger, claiming(1, sized=False, quantity="5"))
    assert ledger.changed[STRATEGY, KEY].known.size == 15
    assert send(ledger, claiming(-1, sized=False))


def test_a_position_that_cannot_be_known_is_forgotten():
    ledger = Ledger({})
    send(ledger, claiming(1, sized=False))
    send(ledger, claiming(1, Side.SELL, sized=False, intent=Intent.EXIT))  # all of it, or a part?
    assert ledger.changed[STRATEGY, KEY] is None
    assert not send(ledger, claiming(0))


def test_a_fraction_moves_the_side_only():
    ledger = Ledger({})
    leg = make_leg(quantity="0.5", quantity_unit=QuantityUnit.EQUITY_FRACTION)
    send(ledger, make_signal(leg, previous_position=PreviousPosition(sign=0)))
    assert ledger.changed[STRATEGY, KEY].known == PreviousPosition(sign=1)


def test_signals_without_a_claim_and_other_legs_move_the_chain():
    ledger = Ledger({KEY: Chain.at(PreviousPosition(sign=0))})
    send(ledger, make_signal(make_leg("MSFT"), make_leg(quantity="4", leg_index=1)))
    assert ledger.changed[STRATEGY, KEY].known.size == 4
    assert list(ledger.changed) == [(STRATEGY, KEY)]  # MSFT has no chain: nobody said what is held


def test_a_cancel_moves_nothing():
    ledger = Ledger({KEY: Chain.at(PreviousPosition(sign=0))})
    send(ledger, make_signal(intent=Intent.CANCEL))
    assert ledger.changed[STRATEGY, KEY] == Chain.at(PreviousPosition(sign=0, size=Decimal(0)))


def test_a_claim_that_fits_both_ends_of_a_gap_is_late_only_if_it_closes_it():
    ledger = Ledger({KEY: Chain.at(PreviousPosition(sign=1, size=Decimal(2)))})
    send(ledger, claiming(4, Side.SELL, "2", intent=Intent.EXIT))  # past a missing BUY 2
    assert send(ledger, claiming(2, quantity="1"))
    assert not send(ledger, claiming(2, quantity="2"))
    assert ledger.gaps[KEY] is None


# Only ever bought: a lost signal can then not be taken for another one.
@settings(deadline=None)
@given(changes=st.lists(st.integers(1, 9), min_size=2, max_size=20), data=st.data())
def test_a_late_signal_heals_whatever_went_past_it(changes, data):
    lost = data.draw(st.integers(1, len(changes) - 1))
    signals, held = [], 0
    for change in changes:
        signals.append(claiming(held, quantity=str(change), intent=Intent.EXIT))
        held += change
    ledger = Ledger({})
    order = signals[:lost] + signals[lost + 1 :]
    for signal in order:
        send(ledger, signal)
    if lost < len(changes) - 1:
        assert ledger.gaps[KEY]
    send(ledger, signals[lost])
    assert ledger.gaps[KEY] is None


def test_an_exit_that_names_no_quantity_leaves_the_sender_flat():
    ledger = Ledger({})
    send(ledger, claiming(0))
    leave = make_signal(
        make_leg(side=None).model_copy(update={"quantity": None}), intent=Intent.EXIT
    )
    assert not send(ledger, leave)
    assert not send(ledger, claiming(0))
    assert send(ledger, claiming(0))
