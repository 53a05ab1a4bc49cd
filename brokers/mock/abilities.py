"""What the mock broker can do: everything, until a person takes something from it.

So that what execution emulates is tested against the same broker that can do it natively.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import ValidationError

from brokers.broker import Capabilities
from brokers.mock.messages import in_words
from services.domain.words import InstrumentType, OrderType, TimeInForce

EVERYTHING = Capabilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
    instrument_types=frozenset(InstrumentType),
    brackets=True,
    oco=True,
    combos=True,
    modify=True,
    margin_preview=True,
)


def changed(before: Capabilities, wanted: Mapping[str, object]) -> Capabilities:
    """Capabilities with what `wanted` names in the place of theirs.

    Raises:
        ValueError: it names what is none; the sentence says what.
    """
    try:
        told = json.dumps(before.model_dump(mode="json") | dict(wanted))
        return Capabilities.model_validate_json(told)
    except ValidationError as error:
        raise ValueError(f"these are no capabilities: {in_words(error)}") from error


def read_abilities(text: str) -> Capabilities:
    """Everything, with what a JSON object names in the place of it. Raises: ValueError."""
    wanted = json.loads(text)
    if not isinstance(wanted, dict):
        raise ValueError(f"expected a JSON object, was {text[:100]!r}")
    return changed(EVERYTHING, wanted)
