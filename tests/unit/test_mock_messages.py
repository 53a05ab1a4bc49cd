"""What answers of the mock broker mean, rubbish included: always a value or a broker error."""

import pytest

from brokers.errors import BrokerUnavailable, OrderRejected, OrderStateUnknown
from brokers.mock import messages
from services.domain.orders import OrderReport
from services.domain.words import OrderStatus
from tests.support.builders import NOW, make_order

REPORT = OrderReport(client_order_id="MT1", status=OrderStatus.SUBMITTED, occurred_at=NOW)
BODY = REPORT.model_dump_json().encode()
RUBBISH = [b"", b"<html>", b"[]", b"{}", b'{"client_order_id": "MT1"}', b"null", b"\xff"]


def test_a_report_answers_an_order():
    assert messages.placed(200, BODY) == REPORT


@pytest.mark.parametrize("answer", RUBBISH)
@pytest.mark.parametrize("status", [200, 302, 404, 405, 422])
def test_an_unreadable_answer_to_an_order_leaves_it_unknown(status, answer):
    with pytest.raises(OrderStateUnknown):
        messages.placed(status, answer)


def test_a_refusal_keeps_code_and_words():
    with pytest.raises(OrderRejected, match="751") as caught:
        messages.placed(422, b'{"code": "INSUFFICIENT_FUNDS", "message": "751 needed"}')
    assert caught.value.code == "INSUFFICIENT_FUNDS"


def test_an_order_the_broker_could_not_read_is_refused():
    with pytest.raises(OrderRejected, match="quantity") as caught:
        messages.placed(422, b'{"detail": [{"loc": ["body", "quantity"]}]}')
    assert caught.value.code == "BAD_ORDER"


@pytest.mark.parametrize("answer", [each for each in RUBBISH if each != b"[]"])
@pytest.mark.parametrize(
    "parse",
    [
        messages.open_orders,
        lambda answer: messages.only_order("MT1", answer),
        lambda answer: messages.read(messages.EXECUTIONS, answer),
        lambda answer: messages.read(messages.POSITIONS, answer),
        lambda answer: messages.read(messages.STREAM, answer),
        lambda answer: messages.read(messages.STATE, answer),
    ],
)
def test_an_unreadable_answer_to_a_question_is_no_answer(parse, answer):
    with pytest.raises(BrokerUnavailable):
        parse(answer)


def test_none_one_and_two_orders_of_one_id():
    assert messages.only_order("MT1", b"[]") is None
    assert messages.only_order("MT1", b"[" + BODY + b"]") == REPORT
    with pytest.raises(OrderStateUnknown, match="2 orders MT1"):
        messages.only_order("MT1", b"[" + BODY + b"," + BODY + b"]")


def test_an_unreadable_answer_to_a_cancel_leaves_it_unknown():
    with pytest.raises(OrderStateUnknown):
        messages.only_order("MT1", b"<html>", OrderStateUnknown)


def test_the_order_list_carries_how_each_stands():
    order = make_order().model_dump_json().removesuffix("}")
    row = f'[{order},"report":{REPORT.model_dump_json()}}}]'
    (found,) = messages.open_orders(row.encode())
    assert (found.report, found.instrument.symbol) == (REPORT, "AAPL")


def test_a_streamed_report_carries_its_cursor():
    (row,) = messages.read(messages.STREAM, b'[{"cursor":"7","report":' + BODY + b"}]")
    assert (row.cursor, row.report) == ("7", REPORT)


def test_a_preview_is_an_amount_a_refusal_or_no_answer():
    amounts = (
        b'{"initial_margin": "750", "maintenance_margin": "-1", "as_of": "2026-11-20T15:30:00Z"}'
    )
    assert messages.previewed(200, amounts).initial_margin == 750
    with pytest.raises(OrderRejected, match="no price") as caught:
        messages.previewed(422, b'{"code": "NO_PRICE", "message": "no price is known"}')
    assert caught.value.code == "NO_PRICE"


@pytest.mark.parametrize("amount", [b'"NaN"', b'"Infinity"', b"null", b'""'])
def test_an_amount_that_is_no_finite_number_is_no_answer(amount):
    body = b'{"initial_margin": %s, "maintenance_margin": "1", "as_of": "2026-11-20T15:30:00Z"}'
    with pytest.raises(BrokerUnavailable):
        messages.previewed(200, body % amount)


@pytest.mark.parametrize("answer", RUBBISH)
@pytest.mark.parametrize("status", [200, 302, 404, 422])
def test_an_unreadable_preview_is_no_answer(status, answer):
    with pytest.raises(BrokerUnavailable):
        messages.previewed(status, answer)


@pytest.mark.parametrize("answer", [each for each in RUBBISH if each != b"[]"])
def test_an_unreadable_answer_to_many_is_no_answer(answer):
    with pytest.raises(BrokerUnavailable):
        messages.by_id(answer)


def test_many_orders_come_by_their_ids_and_two_of_one_id_are_seen():
    assert messages.by_id(b"[" + BODY + b"]") == {"MT1": REPORT}
    assert messages.by_id(b"[]") == {}
    with pytest.raises(OrderStateUnknown, match="doubled"):
        messages.by_id(b"[" + BODY + b"," + BODY + b"]")


def test_orders_that_were_sent_together_are_answered_each_in_its_place():
    wanted = [make_order().model_copy(update={"client_order_id": "MT1"})]
    assert messages.placed_together(200, b"[" + BODY + b"]", wanted) == [REPORT]
    for answer in (b"[]", b"[" + BODY + b"," + BODY + b"]", *RUBBISH):
        with pytest.raises(OrderStateUnknown):
            messages.placed_together(200, answer, wanted)
    with pytest.raises(OrderRejected):
        messages.placed_together(422, b'{"code": "BAD_BRACKET", "message": "no"}', wanted)


@pytest.mark.parametrize(
    ("status", "answer", "certain"),
    [
        (429, b'{"code": "NOT_TAKEN", "message": "too many"}', True),
        (503, b'{"code": "NOT_TAKEN", "message": "out of order"}', True),
        (503, b"<html>some proxy</html>", False),
        (503, b'{"code": "BUSY", "message": "perhaps"}', False),
        (500, b'{"code": "NOT_TAKEN", "message": "a mistake"}', False),
        (200, b'{"code": "NOT_TAKEN", "message": "a mistake"}', False),
    ],
)
def test_only_the_brokers_own_word_makes_it_certain_that_nothing_was_taken(status, answer, certain):
    assert messages.not_taken(status, answer) is certain
