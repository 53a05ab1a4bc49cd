"""Which contract of a broker a future without an expiry is: one, or none that could be said."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from services.domain.fronts import called, in_our_words, months
from services.domain.words import InstrumentType
from tests.support.builders import make_execution, make_instrument


def gold(month=None, symbol="GC", currency="USD"):
    made = make_instrument(symbol, InstrumentType.FUTURE, currency=currency)
    return made.model_copy(update={"expiry": month and date(2026, month, 27)})


FRONT, OCTOBER, DECEMBER = gold(), gold(10), gold(12)


def names(ours, theirs):
    return {key: each.key for key, each in months(ours, theirs).items()}


def test_the_only_month_that_is_held_is_the_one_without_an_expiry():
    assert names([FRONT], [DECEMBER]) == {DECEMBER.key: FRONT.key}
    assert names([FRONT], [DECEMBER, DECEMBER]) == {DECEMBER.key: FRONT.key}


def test_two_months_are_not_guessed_between():
    assert names([FRONT], [OCTOBER, DECEMBER]) == {}


def test_a_month_that_our_books_name_is_itself():
    assert names([FRONT, DECEMBER], [DECEMBER]) == {}
    assert names([FRONT, OCTOBER], [OCTOBER, DECEMBER]) == {DECEMBER.key: FRONT.key}


def test_where_the_broker_calls_it_as_we_do_a_month_is_another_contract():
    assert names([FRONT], [FRONT, DECEMBER]) == {}


def test_other_roots_currencies_and_kinds_are_others():
    share = make_instrument("GC")
    theirs = [gold(12, symbol="ES"), gold(12, currency="EUR"), share]
    assert names([FRONT, gold(symbol="SI")], theirs) == {}
    assert names([share], [DECEMBER]) == {}


@given(
    st.sets(st.sampled_from([FRONT, OCTOBER, DECEMBER, gold(symbol="ES")])),
    st.sets(st.sampled_from([FRONT, OCTOBER, DECEMBER, gold(12, symbol="ES")])),
)
def test_two_things_of_the_broker_never_become_one(ours, theirs):
    found = names(ours, theirs)
    after = [found.get(each.key, each.key) for each in theirs]
    assert len(set(after)) == len(theirs)
    assert set(found).isdisjoint(each.key for each in ours)


def test_what_was_told_is_called_as_in_our_books():
    fill = called(make_execution(), DECEMBER)
    assert in_our_words([fill], {DECEMBER.key: FRONT}) == [called(fill, FRONT)]
    assert in_our_words([fill], {OCTOBER.key: FRONT}) == [fill]


def test_details_of_the_same_instrument_stay_as_they_were_told():
    told = called(make_execution(), gold().model_copy(update={"exchange": "COMEX"}))
    assert called(told, FRONT).instrument.exchange == "COMEX"
