"""cash.py as an operator types it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from scripts import cash
from services.account_data.states import States, Told
from services.common.clock import utc_now
from tests.support.accounts import make_document, make_state

pytestmark = pytest.mark.servers
SIGNED = ("--by", "olga", "--reason", "wire")


@pytest.fixture(autouse=True)
def _typed_on_this_store(typed_here):
    pass


@pytest.fixture
def says(store):
    """The broker of account A says an equity, a minute after the other."""
    store["trading_accounts"].insert_one(make_document("A", equity=None, as_of=None))
    states = States(store, fund_currency="USD", jump_ratio=Decimal("0.1"))
    minutes = iter(range(-30, 0))

    def says_(equity):
        at = utc_now() + timedelta(minutes=next(minutes))
        amounts = {"equity": Decimal(equity), "cash": Decimal(equity)}
        states.save(Told(make_state("A", as_of=at, **amounts), []), recorded_at=utc_now())

    says_("1000")
    return says_


def run(*words):
    return cash.main(list(words))


def account(store):
    return store["trading_accounts"].find_one({"_id": "A"})


def test_a_deposit_is_entered_shown_and_taken_back(store, says, capsys):
    assert run("deposit", "A", "50", "--id", "w1", *SIGNED) == 0
    assert "+50 USD PENDING, by olga: wire" in capsys.readouterr().out
    says("1050")
    assert run("list", "A") == 0
    assert "+50 USD SETTLED since" in capsys.readouterr().out
    assert account(store)["marks"]["peak"] == 1050
    assert store["funds"].find_one({})["flow_totals"] == {"A": 0}
    assert run("reverse", "A", "w1", "--id", "w1-back", *SIGNED) == 0
    assert "-50 USD REVERSED" in capsys.readouterr().out


def test_a_withdrawal_is_below_zero_and_may_be_said_to_have_come(store, says, capsys):
    assert run("withdraw", "A", "20.50", "--id", "fee", "--shown", "no", *SIGNED) == 0
    assert "-20.50 USD PENDING" in capsys.readouterr().out
    at = f"{utc_now():%Y-%m-%dT%H:%M}Z"
    assert run("settle", "A", "fee", "--at", at, *SIGNED) == 0
    assert "SETTLED" in capsys.readouterr().out


def test_a_doubt_is_shown_and_confirmed(store, says, capsys):
    assert run("doubted") == 0
    says("1600")
    assert run("doubted") == 1
    assert "nothing explains +600" in capsys.readouterr().out
    assert run("confirm", "A", "--as", "flow", *SIGNED) == 1
    assert "takes --id" in capsys.readouterr().err
    assert run("confirm", "A", "--as", "flow", "--id", "w7", *SIGNED) == 0
    assert "600 was paid" in capsys.readouterr().out
    assert account(store)["flow_total"] == 600
    says("800")
    assert run("confirm", "A", "--as", "gain-or-loss", *SIGNED) == 0
    assert account(store)["marks"]["max_drawdown_ratio"] == Decimal("0.5")
    assert run("confirm", "A", "--as", "gain-or-loss", *SIGNED) == 1
    assert "is not doubted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("deposit", "Nobody", "5", "--id", "f"), "there is no account named 'Nobody'"),
        (("deposit", "A", "5", "--id", "f", "--currency", "JPY"), "has a rate of (USD)"),
        (("deposit", "A", "5000", "--id", "f"), "more than the equity"),
        (("deposit", "A", "5", "--id", "f", "--at", "2126-01-01T00:00Z"), "not be later than now"),
        (("reverse", "A", "f", "--id", "r"), "has no flow 'f'"),
    ],
)
def test_what_cannot_be_is_a_sentence(store, says, capsys, words, sentence):
    assert run(*words, *SIGNED) == 1
    assert sentence in capsys.readouterr().err
    assert store["capital_flows"].count_documents({}) == 0


@pytest.mark.parametrize(
    "words",
    [
        ("deposit", "A", "-5", "--id", "f"),
        ("deposit", "A", "nan", "--id", "f"),
        ("deposit", "A", "5", "--id", "f", "--at", "2026-01-01T00:00"),
    ],
)
def test_what_is_no_amount_or_no_time_is_not_understood(says, words):
    with pytest.raises(SystemExit) as left:
        run(*words, *SIGNED)
    assert left.value.code == 2
