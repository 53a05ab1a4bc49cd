#!/usr/bin/env python3
"""Send a signal file to the gateway: one signal, or an array with `wait` and `$ENTRY_n`.

    python3 scripts/send_signal.py FILE --key KEY [--url URL] [--follow] [--dry-run]

In an array, `entry_name` gives a name to a signal and a later `entry_signal_id` may use it;
`$PREVIOUS` is the entry sent before. A signal without `signalID` gets one of its own, so that
sending a file twice sends two signals. The key may also stand in MT_STRATEGY_KEY, or one for each
strategy as `--key STRATEGY=KEY`. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_ENDED = {"COMPLETED", "DENIED", "REJECTED", "CANCELED", "EXPIRED", "QUARANTINED"}
_POLL_SECONDS = 0.2


class SendError(Exception):
    """The file or the gateway says no; the sentence says why."""


def main() -> int:
    """Send every signal of the file; exit code 0 when all were accepted."""
    arguments = _arguments()
    try:
        signals = _load(arguments.file)
        keys = _keys(arguments.key)
        return _send_all(signals, keys, arguments)
    except SendError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    port = 8001 + int(os.environ.get("MT_PORT_OFFSET") or 0)
    parser.add_argument("file", type=Path, help="JSON file: one signal or an array of them")
    parser.add_argument("--url", default=f"http://127.0.0.1:{port}", help="gateway (%(default)s)")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        help="strategy key, or STRATEGY=KEY, several times; default: MT_STRATEGY_KEY",
    )
    parser.add_argument("--follow", action="store_true", help="wait for the end of each signal")
    parser.add_argument("--timeout", type=float, default=30, help="seconds that --follow waits")
    parser.add_argument("--no-wait", action="store_true", help="ignore `wait` of the file")
    parser.add_argument("--dry-run", action="store_true", help="print what would be sent")
    return parser.parse_args()


def _load(path: Path) -> list[dict[str, Any]]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SendError(f"{path} cannot be read as JSON: {error}") from error
    signals = loaded if isinstance(loaded, list) else [loaded]
    if not signals or not all(isinstance(signal, dict) for signal in signals):
        raise SendError(f"{path} must hold one signal object or an array of them")
    return signals


def _keys(given: list[str]) -> dict[str, str]:
    """Keys by strategy; "" is the one for all others."""
    keys = {"": os.environ.get("MT_STRATEGY_KEY", "")}
    for text in given:
        strategy, equals, key = text.partition("=")
        keys.update({strategy: key} if equals and key else {"": text})
    return keys


def _send_all(
    signals: list[dict[str, Any]], keys: dict[str, str], arguments: argparse.Namespace
) -> int:
    names: dict[str, str] = {}
    refused = 0
    for number, signal in enumerate(signals, start=1):
        wait, name, body = _prepare(signal, names)
        if arguments.dry_run:
            print(json.dumps(body, indent=2))
            names.update({name: f"<signal_id of {name}>"} if name else {})
            continue
        strategy = str(body.get("strategy_name", ""))
        key = keys.get(strategy) or keys[""] or str(body.get("passphrase", ""))
        status, answer = _request("POST", f"{arguments.url}/api/v1/signals", key, body)
        if status not in {200, 202}:
            refused += 1
            print(f"{number}  refused  {status} {answer.get('code')}: {answer.get('message')}")
            continue
        signal_id = answer["signal_id"]
        if name:
            names[name] = signal_id
        print(f"{number}  {'repeat ' if status == 200 else 'accepted'}  {signal_id}")
        if arguments.follow:
            print(f"   {_follow(arguments, key, signal_id)}")
        if wait and number < len(signals) and not arguments.no_wait:
            time.sleep(wait)
    return 1 if refused else 0


def _prepare(
    signal: dict[str, Any], names: dict[str, str]
) -> tuple[float, str | None, dict[str, Any]]:
    """What the file says about sending (wait, name), and the body to send."""
    body = dict(signal)
    wait, name = float(body.pop("wait", 0)), body.pop("entry_name", None)
    reference = body.get("entry_signal_id")
    if isinstance(reference, str) and reference.startswith("$") and reference != "$PREVIOUS":
        if reference not in names:
            raise SendError(f"{reference} is used before a signal of that name was accepted")
        body["entry_signal_id"] = names[reference]
    body.setdefault("signalID", f"sig_{int(time.time())}_{secrets.token_hex(4)}")
    body.setdefault("signal_sent_EPOCH", int(time.time()))
    return wait, name, body


def _follow(arguments: argparse.Namespace, key: str, signal_id: str) -> str:
    """Poll until the signal has ended; one line on how."""
    until = time.monotonic() + arguments.timeout
    life: dict[str, Any] = {}
    while time.monotonic() < until:
        _, life = _request("GET", f"{arguments.url}/api/v1/signals/{signal_id}", key)
        if life.get("status") in _ENDED:
            break
        time.sleep(_POLL_SECONDS)
    decision = life.get("decision") or {}
    parts = [str(life.get("status", "no answer"))]
    if decision:
        parts.append(f"{decision['outcome']} {decision['code'] or ''} {decision['reason'] or ''}")
    for order in life.get("orders", []):
        parts.append(
            f"{order['side']} {order['filled_quantity']} of {order['quantity']} in "
            f"{order['account_id']} at {order['avg_fill_price']}: {order['status']}"
        )
    if life.get("quarantine"):
        parts.append(str(life["quarantine"]["sentence"]))
    return " · ".join(part.strip() for part in parts)


def _request(
    method: str, url: str, key: str, body: dict[str, Any] | None = None
) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    content = None if body is None else json.dumps(body).encode()
    if not url.startswith(("http://", "https://")):
        raise SendError(f"--url must start with http:// or https://, was {url!r}")
    request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 - checked
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - checked
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _problem(error.read())
    except OSError as error:
        raise SendError(f"the gateway at {url} does not answer: {error}") from error


def _problem(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {"code": "HTTP", "message": body[:200].decode()}


if __name__ == "__main__":
    sys.exit(main())
