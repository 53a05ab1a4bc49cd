"""The table of codes has every code that the code can answer with, and no other."""

import ast
import re

import pytest

from services.common.settings import REPOSITORY
from services.domain.fields_table import ENVELOPE_FIELDS, KNOWN_NAMES, LEG_FIELDS
from services.domain.refusals import CODES
from services.domain.words import LockRule, TradingState

CODE = re.compile(r"[A-Z]+(_[A-Z]+)+|[A-Z]{8,}")
#: Calls that carry a code.
NAMING = {
    "Gap",
    "InvalidSignal",
    "Refusal",
    "Denied",
    "error",
    "require",
    "stop",
    "_nothing",
}
#: Services whose refusals a sender sees.
SERVICES = ("domain", "signal_gateway", "signal_ingestion", "cerebro", "decision", "common")
#: Modules whose codes only persons see, who log in and act: docs/acts.md and the UI explain them.
FOR_PERSONS = {"callers", "idempotency", "lockouts", "operators", "passwords", "users"}
#: Made of the state of the kill switch, and of steps that bound.
DERIVED = {f"TRADING_{state}" for state in TradingState if state is not TradingState.ACTIVE}
DERIVED |= {
    f"{name}_BOUND"
    for name in ("APPROVAL", "ENTRY", "SPLIT", "OVERRIDE", "VOLATILITY", "DRAWDOWN_GOVERNOR")
}
DERIVED |= {
    f"{rule}_{end}"
    for rule in (LockRule.DAILY_LOSS, LockRule.DRAWDOWN)
    for end in ("UNKNOWN", "EXCEEDED")
}
#: An answer that is no refusal, but asked for like one.
NOT_RAISED = {"DUPLICATE", "ENTRY_CANCELED"}


def calls(leaving_out=frozenset()):
    for service in SERVICES:
        for path in sorted((REPOSITORY / "services" / service).rglob("*.py")):
            if service == "common" and path.stem in leaving_out:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    function = node.func
                    name = getattr(function, "attr", None) or getattr(function, "id", "")
                    yield name, [*node.args, *(each.value for each in node.keywords)]


def codes_in_use(leaving_out=frozenset()):
    used = set()
    for name, arguments in calls(leaving_out):
        if name in NAMING:
            used |= {
                part.value
                for argument in arguments
                for part in ast.walk(argument)
                if isinstance(part, ast.Constant)
                and isinstance(part.value, str)
                and CODE.fullmatch(part.value)
            }
        elif name == "cap" and isinstance(arguments[0], ast.Constant):
            step = arguments[0].value.upper()
            used |= {f"{step}_EXCEEDED", f"{step}_BOUND"}
    return used


def test_every_code_in_use_is_explained():
    used = codes_in_use(FOR_PERSONS)
    assert {"MISSING_FIELD", "UNKNOWN_INSTRUMENT_TYPE", "KEY_REUSED", "MARGIN_BOUND"} <= used
    assert used - CODES.keys() == set()


def test_no_code_is_explained_that_nobody_answers_with():
    assert CODES.keys() - codes_in_use() - DERIVED - NOT_RAISED == set()


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_a_sentence_and_a_fix_for_a_table(code):
    for text in (CODES[code].sentence, CODES[code].fix):
        assert text.isprintable()
        assert "|" not in text
        assert not text.endswith(".")


def test_other_names_of_fields_are_unambiguous():
    names = [
        name
        for table in (ENVELOPE_FIELDS, LEG_FIELDS)
        for own, field in table.items()
        for name in (own, *field.other_names)
    ]
    assert len(names) == len(set(names))
    assert set(names) <= KNOWN_NAMES
