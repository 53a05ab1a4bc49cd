"""What can be made to go wrong with the fake Kite, as Zerodha's own client then sees it."""

import pytest
import requests
from kiteconnect import exceptions as refused

from tests.support.broker_orders import ACCOUNT, eventually
from tests.support.fake_kite import (
    API_SECRET,
    all_complete,
    future,
    limit,
    place,
    row_of,
    status_of,
)

pytestmark = pytest.mark.servers
#: Each call of a client: what it does to an order that rests, and how one sees that it was done.
CALLS = {
    "PLACE": (lambda kite, _: limit(kite, 148, "MT2"), lambda rows: len(rows) == 2),
    "MODIFY": (
        lambda kite, order_id: kite.modify_order("regular", order_id, price=148),
        lambda rows: rows[0]["price"] == 148,
    ),
    "CANCEL": (
        lambda kite, order_id: kite.cancel_order("regular", order_id),
        lambda rows: rows[0]["status"] == "CANCELLED",
    ),
}


@pytest.fixture(params=sorted(CALLS))
def call(request, fake, kite):
    """A call's name, the call itself, and whether it was carried out."""
    act, done = CALLS[request.param]
    order_id = limit(kite, 149, "MT1")
    assert status_of(kite, order_id) == "OPEN"
    impatient = fake.client(timeout=0.5)
    yield request.param, lambda: act(impatient, order_id), lambda: done(settled(kite))
    impatient.reqsession.close()


def settled(kite):
    return [row_of(kite, each["order_id"]) for each in kite.orders()]


@pytest.mark.parametrize(
    ("kind", "taken", "seen"),
    [
        ("DROP_BEFORE_ACCEPT", False, requests.ReadTimeout),
        ("DISCONNECT_BEFORE_ACCEPT", False, requests.ConnectionError),
        ("ACCEPT_THEN_SILENCE", True, requests.ReadTimeout),
        ("DELAY_ANSWER", True, requests.ReadTimeout),
        ("DISCONNECT_AFTER_ACCEPT", True, requests.ConnectionError),
        ("GARBAGE_ANSWER", True, refused.DataException),
        ("THROTTLE", False, refused.NetworkException),
    ],
)
def test_a_call_goes_wrong_in_transport(fake, call, kind, taken, seen):
    name, act, done = call
    fake.break_next(kind, on=name, seconds=1)
    with pytest.raises(seen):
        act()
    assert done() is taken


@pytest.mark.parametrize(
    ("kind", "taken"), [("ERROR_BEFORE_ACCEPT", False), ("ERROR_AFTER_ACCEPT", True)]
)
def test_something_is_broken_behind_kite(fake, call, kind, taken):
    name, act, done = call
    fake.break_next(kind, on=name)
    with pytest.raises((refused.NetworkException, refused.DataException)) as caught:
        act()
    assert caught.value.code == {"PLACE": 503, "MODIFY": 502, "CANCEL": 504}[name]
    assert done() is taken


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("ERROR_BEFORE_ACCEPT", refused.GeneralException),
        ("GARBAGE_ANSWER", refused.DataException),
        ("THROTTLE", refused.NetworkException),
        ("DISCONNECT_BEFORE_ACCEPT", requests.ConnectionError),
    ],
)
def test_a_question_goes_wrong_and_the_next_does_not(fake, kite, kind, seen):
    fake.break_next(kind, on="QUERY")
    with pytest.raises(seen):
        kite.orders()
    assert kite.orders() == []


def test_in_an_outage_everything_is_refused_and_nothing_taken(fake, kite):
    fake.break_next("OUTAGE", seconds=600)
    for ask in (lambda: place(kite), kite.orders, kite.margins):
        with pytest.raises(refused.NetworkException) as caught:
            ask()
        assert caught.value.code == 503
    fake.command("DELETE", f"/v1/faults?account_id={ACCOUNT}")
    assert kite.orders() == []


ANSWERS = [
    ("InputException", 400, refused.InputException),
    ("OrderException", 500, refused.OrderException),
    ("PermissionException", 403, refused.PermissionException),
    ("TokenException", 403, refused.TokenException),
    # The client knows no such errors, and hides their names.
    ("MarginException", 400, refused.GeneralException),
    ("HoldingException", 400, refused.GeneralException),
]


@pytest.mark.parametrize(("error_type", "status", "seen"), ANSWERS)
@pytest.mark.parametrize("taken", [False, True])
def test_a_call_is_answered_as_wanted_taken_or_not(fake, kite, error_type, status, seen, taken):
    body = {"error_type": error_type, "status": status, "taken": taken, "message": "so it is"}
    fake.command("POST", "/v1/kite/answers", body)
    with pytest.raises(refused.KiteException, match="so it is") as caught:
        place(kite)
    assert (type(caught.value), caught.value.code) == (seen, status)
    assert len(kite.orders()) == taken


def test_an_order_is_rejected_after_its_id_and_the_next_is_not(fake, kite):
    fake.break_next("REJECT_NEXT")
    row = row_of(kite, place(kite))
    assert (row["status"], row["status_message"]) == ("REJECTED", "rejected on command")
    assert status_of(kite, place(kite)) == "COMPLETE"


def test_a_change_is_refused_and_leaves_the_order(fake, kite):
    order_id = limit(kite, 149)
    assert status_of(kite, order_id) == "OPEN"
    fake.break_next("REJECT_NEXT", on="MODIFY")
    with pytest.raises(refused.OrderException, match="rejected on command"):
        kite.modify_order("regular", order_id, price=148)
    row = row_of(kite, order_id)
    assert (row["price"], row["modified"]) == (149, False)


def test_an_order_can_be_in_no_book_for_a_while(fake, kite):
    fake.break_next("HIDE_ORDER", seconds=1)
    with pytest.raises(requests.ConnectionError):
        place(kite, "MT1")
    assert (kite.orders(), kite.trades()) == ([], [])
    (row,) = eventually(kite.orders)
    assert row["tag"] == "MT1"
    assert len(kite.trades()) == 1


def test_an_order_stays_pending_whatever_has_become_of_it(fake, kite):
    fake.next_orders(shows="OPEN PENDING")
    order_id = place(kite, "MT1")
    assert status_of(kite, limit(kite, 149)) == "OPEN"
    (row, _) = kite.orders()
    assert (row["status"], row["filled_quantity"], row["tag"]) == ("OPEN PENDING", 0, "MT1")
    assert (kite.trades(), kite.positions()["net"]) == ([], [])
    assert kite.order_history(order_id)[-1]["status"] == "OPEN PENDING"
    with pytest.raises(refused.OrderException, match="OPEN PENDING"):
        kite.cancel_order("regular", order_id)
    fake.command("POST", "/v1/kite/reveal")
    assert status_of(kite, order_id) == "COMPLETE"
    assert len(kite.trades()) == 1


def test_an_order_is_shown_as_cancelled_and_fills_all_the_same(fake, kite):
    fake.next_orders(shows="CANCELLED", seconds=1)
    order_id = place(kite)
    row = row_of(kite, order_id)
    assert (row["status"], row["cancelled_quantity"], row["filled_quantity"]) == (
        "CANCELLED",
        10,
        0,
    )
    assert all_complete(eventually(kite.orders, all_complete))


def test_a_tag_can_be_missing_in_the_book(fake, kite):
    fake.next_orders(untagged=True)
    order_id = place(kite, "MT1")
    row = row_of(kite, order_id)
    assert (row["tag"], "tags" in row) == (None, False)
    fake.command("POST", "/v1/kite/reveal")
    assert row_of(kite, order_id)["tag"] == "MT1"


def test_slices_can_all_fail(fake, kite):
    listed = future(kite)
    fake.next_orders(fails=[1, 2])
    with pytest.raises(refused.GeneralException, match="Insufficient funds"):
        kite.place_autoslice_order(
            variety="regular",
            exchange="NFO",
            tradingsymbol=listed["tradingsymbol"],
            transaction_type="BUY",
            quantity=3600,
            product="NRML",
            order_type="LIMIT",
            price=100,
        )
    assert kite.orders() == []


def test_a_token_expires_in_the_middle_of_the_day(fake, kite):
    order_id = limit(kite, 149, "MT1")
    fake.command("POST", "/v1/kite/expire-token")
    expired = []
    kite.set_session_expiry_hook(lambda: expired.append(True))
    for ask in (kite.orders, lambda: kite.cancel_order("regular", order_id)):
        with pytest.raises(refused.TokenException):
            ask()
    assert len(expired) == 2
    token = fake.command("POST", "/v1/kite/login")["request_token"]
    kite.generate_session(token, API_SECRET)
    assert status_of(kite, order_id) == "OPEN"


def test_a_cancel_takes_its_time(fake, kite):
    order_id = limit(kite, 149)
    assert status_of(kite, order_id) == "OPEN"
    fake.break_next("CANCEL_LATE", seconds=2)
    kite.cancel_order("regular", order_id)
    assert row_of(kite, order_id)["status"] == "CANCEL PENDING"
    eventually(lambda: status_of(kite, order_id) == "CANCELLED")


def test_a_cancel_is_answered_and_not_done(fake, kite):
    order_id = limit(kite, 149)
    assert status_of(kite, order_id) == "OPEN"
    fake.break_next("CANCEL_IGNORED")
    assert kite.cancel_order("regular", order_id) == order_id
    assert status_of(kite, order_id) == "OPEN"
    fake.set_price(149)
    assert status_of(kite, order_id) == "COMPLETE"


def test_a_fill_crosses_a_cancel_and_a_rejection(fake, kite):
    order_id = limit(kite, 149, "MT1")
    assert status_of(kite, order_id) == "OPEN"
    fake.break_next("FILL_AFTER_CANCEL")
    kite.cancel_order("regular", order_id)
    assert row_of(kite, order_id)["filled_quantity"] == 10
    fake.break_next("FILL_AFTER_REJECT")
    assert row_of(kite, place(kite))["filled_quantity"] == 10
    assert len(kite.trades()) == 2


def test_more_can_be_filled_than_was_asked_for(fake, kite):
    fake.break_next("OVERFILL")
    row = row_of(kite, place(kite))
    assert (row["quantity"], row["filled_quantity"], row["pending_quantity"]) == (10, 11, 0)
    assert kite.positions()["net"][0]["quantity"] == 11


def test_a_person_fills_an_order_by_its_tag(fake, kite):
    order_id = limit(kite, 140, "MT1")
    fake.fill("MT1", 4, "139.5")
    row = row_of(kite, order_id)
    assert (row["status"], row["filled_quantity"], row["average_price"]) == ("OPEN", 4, 139.5)


def test_a_fill_that_was_busted_is_no_trade(fake, kite):
    fake.break_next("BUST_FILL")
    place(kite)
    assert eventually(kite.orders, lambda rows: rows[0]["status"] not in {"", "OPEN PENDING"})
    assert kite.trades() == []


def test_what_was_broken_is_whole_after_a_restart(fake, kite):
    fake.break_next("REJECT_NEXT")
    fake.next_orders(shows="OPEN PENDING")
    fake.kill()
    fake.start()
    fake.without_limits()
    assert status_of(kite, place(kite)) == "COMPLETE"
