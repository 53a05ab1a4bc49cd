"""Evidence: records of one signal, each with the hash of the one before it. Pure.

Whoever changes, removes or adds a record breaks the chain at that place; scripts/verify_evidence.py
names it, without anything of ours. Who changes the whole chain needs another head, and the head of
each bundle that was made is in the audit log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

FORMAT: Final = "mathematricks-evidence/1"
#: In place of the hash before the first record.
GENESIS: Final = "0" * 64


def canonical(value: object) -> str:
    """One text for one value: keys sorted, no blanks, no characters beyond ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def told(value: Any) -> Any:  # noqa: ANN401 - whatever a document holds
    """A stored value as JSON has it: decimals and times as text, ids too."""
    if isinstance(value, Mapping):
        return {str(name): told(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [told(each) for each in value]
    return value if value is None or isinstance(value, (bool, int)) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else str(value)


def chain(records: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Records in their order: number, kind, body, the hash before, and their own.

    Args:
        records: kind and body of each.
    """
    chained: list[dict[str, Any]] = []
    previous = GENESIS
    for number, (kind, body) in enumerate(records):
        record = {"number": number, "kind": kind, "body": told(body), "previous": previous}
        previous = hashlib.sha256(canonical(record).encode()).hexdigest()
        chained.append({**record, "hash": previous})
    return chained
