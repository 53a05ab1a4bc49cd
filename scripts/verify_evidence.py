#!/usr/bin/env python3
"""Check an evidence bundle offline: `python3 verify_evidence.py FILE [--head HASH]`.

Needs nothing but Python and this file. Each record carries the SHA-256 of its own content and of
the record before it, so a change anywhere is found, and the first broken record is named. With
`--head` the bundle is also compared with the head that the audit log of the system has of it
(`EVIDENCE_MADE`), which nobody can know who has made a whole chain anew.

Exit code 0 = whole, 1 = broken, 2 = the file is no evidence bundle.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORMAT = "mathematricks-evidence/1"
GENESIS = "0" * 64


def canonical(value: object) -> str:
    """One text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def first_fault(bundle: dict[str, Any], head: str | None = None) -> str:
    """What is wrong first, in words; "" where all is whole."""
    return next(_faults(bundle, head), "")


def _faults(bundle: dict[str, Any], head: str | None) -> Iterator[str]:
    previous, records = GENESIS, bundle["records"]
    for place, record in enumerate(records):
        name = f"record {place} ({record.get('kind', 'of no kind')})"
        if record.get("number") != place:
            yield f"{name} has number {record.get('number')}: a record is missing, added or moved"
        if record.get("previous") != previous:
            yield f"{name} does not follow the one before it"
        content = {each: record[each] for each in record if each != "hash"}
        previous = hashlib.sha256(canonical(content).encode()).hexdigest()
        if record.get("hash") != previous:
            yield f"{name} was changed: its content has another hash than it says"
    if bundle.get("count") != len(records):
        yield f"{bundle.get('count')} records were made, {len(records)} are here"
    if bundle.get("head") != previous:
        yield "the head is not the hash of the last record"
    if records and records[0]["body"].get("signal_id") != bundle.get("signal_id"):
        yield "record 0 is of another signal than the bundle"
    if head is not None and head != previous:
        yield f"the head is {previous}, not {head}: it is another bundle"


def main() -> int:
    """Check one file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="as GET /api/v1/signals/ID/evidence answered")
    parser.add_argument("--head", help="the head that the audit log has of it")
    arguments = parser.parse_args()
    try:
        bundle = json.loads(arguments.file.read_text(encoding="utf-8"))
        if bundle["format"] != FORMAT or not isinstance(bundle["records"], list):
            raise ValueError(f"format is {bundle['format']!r}, not {FORMAT!r}")
        fault = first_fault(bundle, arguments.head)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"{arguments.file} is no evidence bundle: {error}", file=sys.stderr)
        return 2
    if fault:
        print(f"{arguments.file} is BROKEN: {fault}", file=sys.stderr)
        return 1
    print(f"{arguments.file} is whole: {len(bundle['records'])} records of {bundle['signal_id']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
