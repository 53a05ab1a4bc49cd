"""Messages that fit, scopes as people type them, and services that stay down."""

from datetime import timedelta
from decimal import Decimal

import pytest

from services.domain.instruments import Instrument
from services.domain.notifications import Event, EventKind
from services.domain.words import InstrumentType, Scope
from services.telegram.events import Facts, of_fill, of_incident, of_order
from services.telegram.health import Seen, step
from services.telegram.outbox import is_due, next_try
from services.telegram.scoping import Asked, parse
from services.telegram.texts import MOST_LETTERS, Frame, as_html, as_plain, letters
from tests.fakes.telegram.markup import plain
from tests.support.builders import NOW
from tests.support.documents import make_fill_document, make_order_document

PAPER = Frame("PAPER", "https://trader.example")


def event(number=0, **fields):
    known = {"event_id": f"E{number}", "kind": EventKind.FILL, "at": NOW, "title": f"fill {number}"}
    return Event(**known | {"subject": "in S1"} | fields)


def test_one_event_is_told_in_full_with_a_link():
    text = as_html([event(text="a < b", link="/signals/s1")], PAPER)
    assert text == (
        '<b>PAPER · fill 0</b>\na &lt; b\n<a href="https://trader.example/signals/s1">open</a>'
    )


@pytest.mark.parametrize("letter", ["x", "<", "&", "𝄞"])
@pytest.mark.parametrize("count", [1, 2, 30, 400])
def test_whatever_happens_a_message_fits_and_is_whole(letter, count):
    told = [
        event(n, title=letter * 900, text=letter * 9000, subject=f"in {letter * 40}{n % 60}")
        for n in range(count)
    ]
    text = as_html(told, PAPER)
    assert letters(text) <= MOST_LETTERS
    assert plain(text)  # as Telegram would read it
    assert str(count) in text or count == 1


def test_a_burst_is_counted_by_kind_and_subject_the_urgent_first():
    told = [event(n) for n in range(12)]
    told += [event(20, kind=EventKind.INCIDENT_OPENED, subject="of kind X", title="it broke")]
    text = plain(as_html(told, PAPER))
    assert "13 events" in text
    assert text.index("1 incident of kind X\n• it broke") < text.index("12 fills in S1\n• fill 0")
    assert "12 fills in S1" in as_plain(told, PAPER).body


def test_more_than_fits_is_counted():
    text = plain(as_html([event(n, title=f"fill {n} " + "x" * 200) for n in range(100)], PAPER))
    shown = text.count("• ")
    assert f"… and {100 - shown} more" in text
    assert "The whole list is in the history." in text


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("", Asked(Scope.GLOBAL, "", "", named=False)),
        ("lunch is ready", Asked(Scope.GLOBAL, "", "lunch is ready", named=False)),
        ("all fire", Asked(Scope.GLOBAL, "", "fire", named=True)),
        ("account Mock-1 odd fills", Asked(Scope.ACCOUNT, "Mock-1", "odd fills", named=True)),
        ("Strategy S1", Asked(Scope.STRATEGY, "S1", "", named=True)),
        ("account", Asked(Scope.GLOBAL, "", "account", named=False)),
    ],
)
def test_a_scope_is_read_as_it_is_typed(words, asked):
    assert parse(words) == asked


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def looks(*states, known=None):
    """What is told over looks that are 5 s apart, with a patience of 10 s: when, and of what."""
    seen, told = Seen(known), []
    for number, up in enumerate(states):
        seen, since = step(seen, up, at(5 * number), timedelta(seconds=10))
        if since is not None:
            told.append((5 * number, up, since))
    return told


def test_a_service_is_down_once_it_stays_down():
    # Down at 5, 10, 15 s: told at 15, since 5; up at 20, 25, 30: told at 30, since 20.
    assert looks(True, False, False, False, True, True, True) == [
        (15, False, at(5)),
        (30, True, at(20)),
    ]
    assert looks(True, False, True, False, True) == []  # a restart is none
    assert looks(False, False, False, False) == []  # it was never up
    # What people know outlives the process that told them.
    assert looks(False, False, False, known=False) == []


def row(seconds_old=0.0, **fields):
    made = {"event": {"kind": "FILL", "critical": False}, "attempts": 0}
    return made | {"created_at": at(-seconds_old)} | fields


def test_the_first_of_a_burst_waits_for_the_others_but_nothing_critical_does():
    window = timedelta(seconds=3)
    assert not is_due([row(1), row(2)], NOW, window)
    assert is_due([row(1), row(3)], NOW, window)
    assert is_due([row(event={"kind": "SERVICE_DOWN", "critical": True})], NOW, window)
    assert is_due([row()] * 500, NOW, window)


def test_tries_come_further_and_further_apart():
    waits = [(next_try(n, NOW) - NOW).total_seconds() for n in (1, 2, 3, 9, 30)]
    assert waits == [1, 2, 4, 256, 300]


OPTION = Instrument(
    instrument_type=InstrumentType.OPTION,
    symbol="SPX",
    expiry="2026-12-18",
    strike=Decimal("6000.0"),
    right="C",
)


def test_account_type_and_instrument_are_always_named():
    fill = make_fill_document()
    facts = Facts({"Mock-1": "LIVE"}, {fill["client_order_id"]: OPTION})
    (told,) = of_fill(fill, facts)
    assert told.title == ("SPX_1-D_Opt: BUY 17 SPX 2026-12-18 6000 C at 150.02 in Mock-1 (LIVE)")
    (unknown,) = of_fill(fill, Facts({}, {}))
    assert "Mock-1 (type unknown)" in unknown.title
    assert of_fill(fill | {"void": True}, facts) == []
    (back,) = of_fill(fill | {"void": True, "busted": True}, facts)
    assert "taken back" in back.title


def test_only_bad_ends_of_orders_are_told():
    facts = Facts({"Mock-1": "PAPER"}, {})
    assert of_order(make_order_document(status="FILLED"), facts) == []
    told = {
        status: of_order(make_order_document(status=status), facts)[0].kind
        for status in ("DENIED", "REJECTED", "EXPIRED")
    }
    assert list(told.values()) == ["DENIAL", "REJECTION", "EXPIRY"]


def test_each_opening_of_an_incident_is_an_event_of_its_own():
    def ids(**fields):
        row = {"_id": "X|1", "kind": "X", "key": "1", "sentence": "s", "last_seen_at": NOW}
        return [each.event_id for each in of_incident(row | fields)]

    first = ids(status="OPEN")
    assert first == ids(status="OPEN", count=7)  # seen again is no news
    cleared = ids(status="CLEARED", clearings=1, cleared_at=NOW)
    assert cleared[0] == first[0]  # also where nobody looked while it was open
    again = ids(status="OPEN", clearings=1)
    assert not {*again} & {*cleared}
