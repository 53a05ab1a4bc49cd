"""What goes wrong at Kite, sorted by what the caller must do."""

import pytest

from brokers.errors import BrokerUnavailable, LoginRequired, OrderRejected, OrderStateUnknown
from brokers.zerodha.failures import Failure, Purpose, error_of

P = Purpose
_BUSY = "Order request timed out. Please check the order book and confirm before placing again."


def sort(purpose, status=None, error_type="", message="because", *, sent=True):
    return error_of(Failure(sent, status, error_type, message), purpose, "log in")


@pytest.mark.parametrize(
    "word", ["InputException", "MarginException", "HoldingException", "UserException"]
)
def test_kites_own_refusal_of_an_order_is_one_with_its_word_and_sentence(word):
    error = sort(P.ORDER, 400, word)
    assert isinstance(error, OrderRejected)
    assert (error.code, str(error)) == (word, "because")


def test_a_permission_that_is_missing_refuses_an_order():
    assert isinstance(sort(P.ORDER, 403, "PermissionException"), OrderRejected)


def test_an_order_that_timed_out_inside_kite_is_unknown_also_with_status_400():
    for word in ("OrderException", "InputException", "GeneralException"):
        assert isinstance(sort(P.ORDER, 400, word, _BUSY), OrderStateUnknown)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (500, "GeneralException"),
        (500, "OrderException"),
        (500, "MarginException"),
        (502, "DataException"),
        (503, "NetworkException"),
        (504, "NetworkException"),
        (403, ""),
        (None, ""),
    ],
)
def test_everything_else_after_an_order_was_sent_is_unknown(status, word):
    assert isinstance(sort(P.ORDER, status, word), OrderStateUnknown)


def test_the_rate_limiter_and_what_never_left_have_taken_nothing():
    for error in (sort(P.ORDER, 429, "NetworkException"), sort(P.ORDER, sent=False)):
        assert isinstance(error, BrokerUnavailable)
        assert not isinstance(error, LoginRequired)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_token_that_is_refused_asks_for_a_login_whatever_was_called(purpose):
    error = sort(purpose, 403, "TokenException", "Incorrect `api_key` or `access_token`.")
    assert isinstance(error, LoginRequired)
    assert "log in" in str(error)


def test_a_change_that_the_order_does_not_allow_is_refused_whatever_the_status():
    assert isinstance(sort(P.CHANGE, 500, "OrderException"), OrderRejected)
    assert isinstance(sort(P.CHANGE, 503, "NetworkException"), OrderStateUnknown)


@pytest.mark.parametrize(("status", "word"), [(400, "InputException"), (500, ""), (None, "")])
def test_a_question_without_an_answer_is_unavailable_never_a_rejection(status, word):
    assert isinstance(sort(P.QUESTION, status, word), BrokerUnavailable)


def test_a_preview_may_be_refused_like_an_order():
    assert isinstance(sort(P.PREVIEW, 400, "InputException"), OrderRejected)
    assert isinstance(sort(P.PREVIEW, 500, "GeneralException"), BrokerUnavailable)


def test_a_sentence_is_never_a_whole_page():
    assert len(str(sort(P.ORDER, 502, "DataException", "<html>" * 1000))) < 500
