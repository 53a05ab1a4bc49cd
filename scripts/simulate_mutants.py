#!/usr/bin/env python3
"""Faults that a person could write into the services, to see that the simulation finds them.

    .venv/bin/python scripts/simulate_mutants.py [--seeds 400] [NAME …]

Each is a text and what stands in its place, tried on a copy of the code until a seed fails.
docs/simulation.md says which were found.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
_COPIED = ("services", "brokers", "tests/simulation", "tests/support", "tests/fakes", "scripts")

MUTANTS = {
    "ack-before-done": (
        "services/common/subscriber.py",
        "            if is_done:\n                message.ack()",
        "            if True:\n                message.ack()",
    ),
    "sweeper-of-signals-asleep": (
        "services/signal_ingestion/__main__.py",
        'query={"undecided": True},',
        'query={"undecided": "never"},',
    ),
    "sweeper-of-orders-asleep-and-desk-blind": (
        "services/execution/store.py",
        '(self._store["orders"].find(query, fields))',
        "()",
    ),
    "gateway-answers-unstored": (
        "services/signal_gateway/store.py",
        '            self.plain["trading_signals_raw"].insert_many(raws, ordered=False)\n',
        '            self.plain["trading_signals_raw"].insert_many(raws, ordered=False)\n'
        "        except PyMongoError as error:\n"
        "            if not isinstance(error, BulkWriteError):\n"
        "                return [None] * len(raws)\n"
        "            raise\n",
    ),
    "ingestion-overwrites-a-repeat": (
        "services/signal_ingestion/store.py",
        "        except DuplicateKeyError:\n            return False\n        return True",
        "        except DuplicateKeyError:\n"
        '            self._store["signal_store"].replace_one({"_id": document["_id"]}, document)\n'
        "        return True",
    ),
    "ingestion-never-scans": (
        "services/signal_ingestion/service.py",
        "        found = 0\n        for batch in self._store.raw_since(since):",
        "        found = 0\n        for batch in ():",
    ),
    "decisions-do-not-exclude-each-other": (
        "services/common/guards.py",
        '        {"$inc": {"decisions": 1}},',
        '        {"$set": {"decisions": 0}},',
    ),
    "decided-twice": (
        "services/cerebro/store.py",
        '        {"_id": decision.signal_id, "undecided": {"$in": [True, AWAITS_APPROVAL]}},',
        '        {"_id": decision.signal_id},',
    ),
    "orders-apart-from-their-decision": (
        "services/cerebro/store.py",
        '            self._store["orders"].insert_many(orders, session=session)',
        '            self._store["orders"].insert_many(orders)',
    ),
    "intent-without-compare-and-set": (
        "services/execution/intents.py",
        '{"_id": {"$in": ids}, "status": OrderStatus.PENDING, **not_above(epoch)},',
        '{"_id": {"$in": ids}},',
    ),
    "intent-stored-after-the-call": (
        "services/execution/intents.py",
        '        "status": OrderStatus.SUBMITTING,\n        "owner_epoch": epoch,\n'
        '        "updated_at": now,',
        '        "status": OrderStatus.PENDING,\n        "owner_epoch": epoch,\n'
        '        "updated_at": now,',
    ),
    "sent-without-the-lease": (
        "services/execution/placing.py",
        "        if not lease.held() or lease.epoch != epoch:",
        "        if False:",
    ),
    "no-answer-counts-as-rejected": (
        "services/execution/placing.py",
        'return _all(rows, OrderStatus.UNKNOWN, f"no answer: {error}")',
        'return _all(rows, OrderStatus.REJECTED, f"no answer: {error}")',
    ),
    "no-answer-is-sent-again": (
        "services/execution/placing.py",
        "            failpoint(FailPoint.SENT)\n            return _all(",
        "            raise BrokerUnavailable(str(error)) from error\n            return _all(",
    ),
    "absent-at-the-first-look": (
        "services/execution/outcomes.py",
        'now - self._absent_from.setdefault(row["_id"], now) < self._proof_seconds:',
        "False:",
    ),
    "resent-for-ever": (
        "services/execution/outcomes.py",
        '        return row["status"] == OrderStatus.SUBMITTING or order.intent.reduces_risk',
        "        return True",
    ),
    "reservation-kept": (
        "services/execution/posting.py",
        '            reservations.delete_many({"_id": {"$in": ended}}, session=session)',
        "            pass",
    ),
    "siblings-end-unseen": (
        "services/execution/posting.py",
        '                update["$inc"] = {"bookings": 1}',
        "                pass",
    ),
    "ended-orders-work-on": (
        "services/execution/reconciler.py",
        'if not row.get("working")])',
        "if False])",
    ),
    "scan-trusts-the-clocks": (
        "services/signal_ingestion/service.py",
        "self._overlap.total_seconds() / 2",
        "1e9",
    ),
    "overfill-is-always-news": (
        "services/execution/lifecycle.py",
        "    if fresh and filled > state.order.quantity:",
        "    if filled > state.order.quantity:",
    ),
    "fills-booked-apart": (
        "services/execution/ledger.py",
        "        self._rows.bulk_write(writes, ordered=False, session=session)\n"
        "        self._replace(positions, session)",
        "        self._rows.bulk_write(writes, ordered=False)\n"
        "        self._replace(positions, session)",
    ),
    "position-not-moved-for-a-late-fill": (
        "services/execution/lifecycle.py",
        "    filled = state.filled_quantity + late",
        "    filled = state.filled_quantity + (0 if state.status in TERMINAL else late)",
    ),
    "stream-skips-what-fails": (
        "services/execution/reports.py",
        '            raise TransientError(f"account {counter.account_id} is not open here")',
        "            return",
    ),
    "exit-takes-what-others-close": (
        "services/decision/exits.py",
        "held.instrument_key == position.instrument.key and held.closing_quantity:",
        "held.instrument_key == position.instrument.key and False:",
    ),
    "lease-of-a-dead-owner-taken-early": (
        "services/common/leases.py",
        "        return moment - self._seen_at > self._ttl",
        "        return True",
    ),
    "epoch-ignored": (
        "services/execution/store.py",
        '    return {"owner_epoch": {"$not": {"$gt": epoch}}}',
        "    return {}",
    ),
}


def try_mutant(name: str, seeds: int) -> str:
    """What the first seed that fails has found; empty = none did.

    Raises:
        ValueError: its text is not in the code any more.
    """
    path, old, new = MUTANTS[name]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for each in _COPIED:
            left_out = shutil.ignore_patterns("__pycache__")
            shutil.copytree(REPOSITORY / each, copy / each, ignore=left_out)
        text = (copy / path).read_text()
        if old not in text:
            raise ValueError(f"{name}: not in {path}: {old!r}")
        (copy / path).write_text(text.replace(old, new))
        command = [sys.executable, "scripts/simulate.py", "--until-found", "--seeds", str(seeds)]
        done = subprocess.run(command, cwd=copy, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    first = next(iter(done.stdout.splitlines()), "")
    if "--seed" not in first:
        raise ValueError(f"{name}: the simulation itself broke: {done.stderr[-500:]}")
    return first


def main() -> int:
    """Try some, or all; 0 only where all were found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(MUTANTS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=400)
    arguments = parser.parse_args()
    survived = 0
    for name in arguments.names:
        found = try_mutant(name, arguments.seeds)
        survived += not found
        print(f"{name}: {found or 'SURVIVED'}", flush=True)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
