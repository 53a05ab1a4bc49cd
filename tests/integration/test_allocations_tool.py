"""allocations.py as an operator types it, on a real store."""

import json
from decimal import Decimal

import pytest

from scripts import allocations
from tests.support.rows import add_account, add_strategy

pytestmark = pytest.mark.servers
SIGNED = ("--by", "olga", "--reason", "calmer")


@pytest.fixture(autouse=True)
def _typed_on_this_store(store, typed_here):
    for name in ("A", "B"):
        add_strategy(store, name)
    add_account(store)
    store["current_allocation"].delete_many({})


def typed(capsys, *words):
    """Exit code, what was printed, and what was complained of."""
    code = allocations.main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def proposed(capsys, *words):
    code, out, err = typed(capsys, "propose", *words, *SIGNED)
    assert (code, err) == (0, "")
    return out.split()[0]


def ratios(store):
    rows = store["current_allocation"].find_one({"_id": "current"})["allocations"]
    return {row["strategy_id"]: row["ratio"] for row in rows}


def test_nothing_is_shown_as_nothing(capsys):
    assert "nothing was ever approved" in typed(capsys, "show")[1]
    assert typed(capsys, "proposals")[1] == "no proposal waits\n"
    assert typed(capsys, "history")[1] == "nothing was ever approved\n"


def test_from_proposal_to_approval_and_back(capsys, store):
    first = proposed(capsys, "A=50%", "B=0.125")
    code, out, _ = typed(capsys, "approve", first, "--version", "0", *SIGNED)
    assert code == 0
    assert "version 1, approved by olga" in out
    assert "together  62.5 %" in out
    assert ratios(store) == {"A": Decimal("0.5"), "B": Decimal("0.125")}
    second = proposed(capsys, "B=0%", "--keep")
    assert (
        "against version 1: 62.5 % -> 50 %, turnover 12.5 %" in typed(capsys, "compare", second)[1]
    )
    assert typed(capsys, "approve", second, "--version", "1", *SIGNED)[0] == 0
    assert ratios(store) == {"A": Decimal("0.5"), "B": Decimal(0)}
    code, out, _ = typed(capsys, "revert", "1", "--version", "2", *SIGNED)
    assert (code, "version 3" in out) == (0, True)
    assert ratios(store) == {"A": Decimal("0.5"), "B": Decimal("0.125")}
    versions = [row["version"] for row in json.loads(typed(capsys, "history", "--json")[1])]
    assert versions == [3, 2, 1]


def test_a_rejected_proposal_waits_no_more(capsys):
    name = proposed(capsys, "A=10%")
    assert name in typed(capsys, "proposals")[1]
    assert "REJECTED" in typed(capsys, "reject", name, *SIGNED)[1]
    assert typed(capsys, "proposals")[1] == "no proposal waits\n"
    assert name in typed(capsys, "proposals", "--all")[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("propose", "A=10%", "A=20%", *SIGNED), "A is given twice"),
        (("propose", "A", *SIGNED), "a share is given as STRATEGY=SHARE, was 'A'"),
        (("propose", "A=lots", *SIGNED), "a share must be a number such as 0.1 or 10%"),
        (("propose", "A=-1%", *SIGNED), "ratio: Input should be greater than or equal to 0"),
        (("propose", "A=NaN", *SIGNED), "finite"),
        (("propose", "Nobody=1%", *SIGNED), "there is no strategy named 'Nobody'"),
        (("propose", "A=201%", *SIGNED), "may be given 200 %"),
        (("compare", "A=1%", "--days", "0"), "--days must be 1 to 2520, was 0"),
        (("compare", "p_nothing"), "there is no proposal 'p_nothing'"),
        (("approve", "p_nothing", "--version", "0", *SIGNED), "there is no proposal"),
        (("revert", "7", "--version", "0", *SIGNED), "there is no version 7"),
    ],
)
def test_a_refusal_is_a_sentence_and_exit_code_1(capsys, store, words, sentence):
    code, out, err = typed(capsys, *words)
    assert (code, out) == (1, "")
    assert err.startswith("allocations: ")
    assert sentence in err
    assert store["allocation_proposals"].count_documents({}) == 0


def test_a_stale_version_changes_nothing(capsys, store):
    name = proposed(capsys, "A=10%")
    code, _, err = typed(capsys, "approve", name, "--version", "3", *SIGNED)
    assert (code, "compared with version 3: compare again" in err) == (1, True)
    assert store["current_allocation"].find_one({}) is None
