"""The answer to an order that Kite has sliced, because it was above the freeze quantity: pure.

Kite sends as many orders as it takes, and any of them may be refused while others are taken. All
carry our tag, and those after the first name the first one as the order they are slices of: so
they are one order in our eyes (`page.Entry`), and two such orders are still two.
https://kite.trade/docs/connect/v3/orders (autoslice)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Sliced(NamedTuple):
    """What was taken.

    Attributes:
        order_ids: of Kite's, the first one first; there is one at least.
        refused: why slices were not taken, in words; empty where all were.
    """

    order_ids: tuple[str, ...]
    refused: str = ""


def sliced(answer: Mapping[str, Any]) -> Sliced:
    """Kite's answer. Raises: LookupError, TypeError: it is no such answer."""
    children = answer.get("children") or ()
    ids = [answer["order_id"], *(each["order_id"] for each in children if "order_id" in each)]
    errors = [str(each["error"]["message"]) for each in children if "order_id" not in each]
    refused = f"{len(errors)} slices were refused: {'; '.join(dict.fromkeys(errors))}"
    return Sliced(tuple(dict.fromkeys(map(str, ids))), refused if errors else "")
