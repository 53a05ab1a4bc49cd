"""Payloads as the world sends them: a third sound, a third damaged, a third hostile; seeded.

For floods: whatever comes, the gateway answers each with a name and never with a 500.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Payload = dict[str, Any]
MAX_BYTES = 200_000

_STOCKS = ("AAPL", "NVDA", "SPY", "BRK.B", "NASDAQ:MSFT")
_SIDES = (("BUY", "LONG"), ("SELL", "SHORT"))
_WORDS = ("ENTRY", "EXIT", "SCALE_IN", "SCALE_OUT", "CANCEL")


def generate(seed: int, count: int, *, strategy: str = "S") -> Iterator[bytes]:
    """`count` bodies, the same for the same seed; sound, damaged and hostile ones in turn."""
    source = random.Random(seed)  # noqa: S311 - a test that can be repeated
    for index in range(count):
        kind = (_sound_body, _damaged_body, _hostile_body)[index % 3]
        yield kind(source, strategy, f"{seed}-{index}")[:MAX_BYTES]


def sound(source: random.Random, strategy: str, name: str) -> Any:
    """A payload of any format in use: an object, or a list of them."""
    if source.random() < 0.08:
        return [sound_object(source, strategy, f"{name}-{each}") for each in range(3)]
    return sound_object(source, strategy, name)


def sound_object(source: random.Random, strategy: str, name: str) -> Payload:
    """One payload, in any of the shapes of the envelope."""
    leg = source.choice(_LEGS)(source)
    envelope: Payload = {
        "strategy_name": strategy,
        "signalID": f"sent-{name}",
        "signal_type": source.choice(_WORDS),
        "account_equity": source.choice([500000, "250000.50", 1e6]),
        "environment": "staging",
    }
    if envelope["signal_type"] == "ENTRY" and source.random() < 0.3:
        envelope |= {"valid_for_s": 300, "sequence": source.randrange(1000)}
    if source.random() < 0.3:
        envelope |= {"signal_sent_EPOCH": 1764015769, "timestamp": "2025-11-24T20:22:49+00:00"}
    shape = source.randrange(6)
    if "legs" in leg or shape == 0:
        return envelope | {"signal": leg}
    if shape == 1:
        return envelope | {"signal": [leg]}
    if shape == 2:
        flat = dict(leg)
        return envelope | {"ticker": flat.pop("instrument")} | flat
    if shape == 3:
        return envelope | {"signal_legs": leg}
    other = source.choice(_LEGS[:5])(source)
    return envelope | {"signal_legs": [leg] if shape == 4 else [leg, other]}


def _leg(source: random.Random, symbol: str, kind: str, **more: Any) -> Payload:
    action, direction = source.choice(_SIDES)
    leg: Payload = {
        "instrument": symbol,
        "instrument_type": kind,
        "action": action,
        "direction": direction,
        "quantity": source.choice([1, 10, "7", 0.5, 1500]),
        "order_type": "MARKET",
        "price": source.choice([150.0, "150.25", 1, 0.9123]),
    }
    if source.random() < 0.2:
        leg |= {"order_type": "LIMIT", "limit_price": 149.5, "time_in_force": "GTC"}
    if source.random() < 0.2:
        leg |= {"stop_loss": 0.5 if action == "BUY" else 5000, "take_profit": 0}
    if source.random() < 0.1:
        leg |= {"order_type": "TRAIL", "trail_percent": 2} | {"limit_price": None}
    elif source.random() < 0.1:
        leg |= source.choice(_WORKED)
    return leg | more


_WORKED: tuple[Payload, ...] = (
    {"algo": {"name": "TWAP", "duration_s": 600, "slices": 10}},
    {"algo": "vwap", "duration_s": "3600", "profile": [3, 2, 1, "2", 4.5]},
    {"algo": "ICEBERG", "display_quantity": 1, "cancel_after_s": 60},
)


def _package(source: random.Random) -> Payload:
    """Two option legs on one underlying."""
    legs = [
        {"strike": strike, "expiry": "20281215", "right": right, "action": action, "quantity": 1}
        for strike, right, action in ((570, "P", "BUY"), (575.0, "PUT", "SELL"))
    ]
    whole = _leg(source, "SPY", "OPTION", underlying="SPY", legs=legs)
    return whole | {"order_type": "MARKET", "algo": None}


_LEGS: tuple[Callable[[random.Random], Payload], ...] = (
    lambda source: _leg(source, source.choice(_STOCKS), source.choice(["STOCK", "stocks", "ETF"])),
    lambda source: _leg(source, "GC", "FUTURE", expiry="20281229", exchange="COMEX"),
    lambda source: _leg(source, source.choice(["AUDCAD", "EUR/USD"]), "FOREX"),
    lambda source: _leg(source, source.choice(["BTC", "ETHUSD"]), "CRYPTOCURRENCY"),
    lambda source: _leg(source, "SPY", "OPTION", strike=570, right="C", expiry="2028-12-15"),
    _package,
)


def _sound_body(source: random.Random, strategy: str, name: str) -> bytes:
    text = json.dumps(sound(source, strategy, name), indent=source.choice([None, 2]))
    return text.encode(source.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16"]))


_WRONG: tuple[Any, ...] = (
    None, True, False, "", " ", 0, -5, 1e300, 10**40, -(10**40), 1e-300, "ten", "NaN", "1,000",
    "-0", "١٢", "0x10", "1e5", "{{close}}", "{{strategy.order.action}}", [], {}, [[]], ["AAPL"],
    {"$gt": 0}, {"": ""}, "buy", "Buy", "entry", "LONG ", "\x00", "a\x00b", "\ud800", "\u202e",
    "x" * 300, "2026-13-45", "20251345", "20200101", 9e14, "$PREVIOUS", "sig_" + "0" * 24,
)  # fmt: skip


def _damaged_body(source: random.Random, strategy: str, name: str) -> bytes:
    payload = sound_object(source, strategy, name)
    for _ in range(source.randint(1, 3)):
        _damage(source, payload)
    body = json.dumps(payload).encode()
    if source.random() < 0.4:
        body = _damage_text(source, body)
    return body


def _damage(source: random.Random, payload: Payload) -> None:
    objects: list[Payload] = [payload]
    for name in ("signal_legs", "signal", "legs"):
        found = payload.get(name)
        objects += [each for each in (found if isinstance(found, list) else [found]) if each]
    target = source.choice([each for each in objects if isinstance(each, dict)])
    if not target:
        return
    name = source.choice(sorted(target))
    how = source.randrange(4)
    if how == 0:
        del target[name]
    elif how == 1:
        target[source.choice([name.upper(), name.title(), name + " ", name[:-1]])] = target.pop(
            name
        )
    else:
        target[name] = source.choice(_WRONG)


def _damage_text(source: random.Random, body: bytes) -> bytes:
    at = source.randrange(len(body))
    return source.choice(
        (
            body[:at],
            body[:at] + bytes([source.randrange(256)]) + body[at + 1 :],
            body[:at] + source.choice([b",", b'"', b"}", b"\n", b"\x00", b"//"]) + body[at:],
            body.replace(b'"', b"'"),
            body.replace(b'"', "”".encode(), 3),
            body.replace(b"true", b"True").replace(b"null", b"None").replace(b"}", b",}"),
            body + source.choice([body, b"]", b" thanks", b"\x1a"]),
            body.decode().encode("utf-16-le"),
        )
    )


def _nested(opening: str, closing: str, depth: int) -> bytes:
    depth = min(depth, MAX_BYTES // len(opening + closing))
    return (opening * depth + closing * depth).encode()


def _hostile_body(source: random.Random, strategy: str, name: str) -> bytes:
    payload = sound_object(source, strategy, name)
    return source.choice(_HOSTILE)(source, payload)


def _with(payload: Payload, name: str, raw: str) -> bytes:
    """The payload with one field as it stands in the text, which no JSON library would write."""
    text = json.dumps(payload | {name: "@@"})
    return text.replace('"@@"', raw).encode("utf-8", "surrogatepass")


def _deep(source: random.Random, payload: Payload) -> bytes:
    depth = source.choice([10, 31, 32, 33, 100, 950, 1000, 5000, 100_000])
    opening, closing = source.choice([("[", "]"), ('{"a":', "}"), ('[{"signal":', "}]")])
    nest = _nested(opening, closing if opening == "[" else "0" + closing, depth)
    if source.random() < 0.5:
        return nest
    return _with(payload, source.choice(["signal_legs", "extra", "quantity"]), nest.decode())


def _number(source: random.Random, payload: Payload) -> bytes:
    raw = source.choice(
        (
            "NaN", "Infinity", "-Infinity", "1e999999", "-1e999999", "1e-999999",
            "1e99999999999999999999", "1" * source.choice([31, 400, 4301, 50_000, 190_000]),
            "0." + "1" * source.choice([31, 5000, 100_000]), "-0", "-0.0", "1E+2", "00", "+1",
            "0x1F", "1_000", ".5", "5.", "1e", "--1", "9" * 4300 + "." + "9" * 4300,
        )
    )  # fmt: skip
    names = ["quantity", "account_equity", "price", "signal_sent_EPOCH", "sequence", "valid_for_s"]
    if source.random() < 0.4 and isinstance(payload.get("signal_legs"), list):
        payload["signal_legs"][0]["quantity"] = "@@"
        return json.dumps(payload).replace('"@@"', raw).encode()
    return _with(payload, source.choice(names), raw)


def _text(source: random.Random, payload: Payload) -> bytes:
    raw = source.choice(
        (
            '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\uFFFF"', '"\ud800"', '"a\nb"',
            '"\x00"', '"💥"', '"\\', '"' + "A" * 100_000 + '"', '"' + "\\u0041" * 20_000 + '"',
            '"\u202e\u200f"', '"$where"', '"{\\"a\\": 1}"', '"%s%n%x"', '"../../etc/passwd"',
            '"\\x41"',
        )
    )  # fmt: skip
    names = ["strategy_name", "signalID", "signal_type", "entry_signal_id", "timestamp", "note"]
    return _with(payload, source.choice(names), raw)


def _names(source: random.Random, payload: Payload) -> bytes:
    name = source.choice(
        ("$where", "$set", "a.b.c", "", " ", "\x00", "\ud800", "__proto__", "_id", "k" * 5000, "💥")
    )
    target = payload
    if source.random() < 0.5 and isinstance(payload.get("signal"), dict):
        target = payload["signal"]
    target[name] = source.choice([1, {"$gt": ""}, {"a.b": {"$ne": None}}, [name]])
    return json.dumps(payload).encode()


def _twice(source: random.Random, payload: Payload) -> bytes:
    name = source.choice(sorted(payload))
    return (
        f'{{"{name}": {json.dumps(source.choice(_WRONG))}, '.encode()
        + json.dumps(payload)[1:].encode()
    )


def _types(source: random.Random, payload: Payload) -> bytes:
    values = (
        [],
        {},
        [dict(payload)],
        {"a": dict(payload)},
        True,
        [1] * 1000,
        [None],
        [[{}]],
        "AAPL",
        0,
    )
    for name in source.sample(sorted(payload), k=source.randint(1, len(payload))):
        payload[name] = source.choice(values)
    return json.dumps(payload).encode()


def _many(source: random.Random, payload: Payload) -> bytes:
    count = source.choice([21, 100, 101, 500])
    if source.random() < 0.5:
        return json.dumps([payload] * count).encode()
    return json.dumps(payload | {"signal_legs": [{"instrument": "AAPL"}] * count}).encode()


def _noise(source: random.Random, _payload: Payload) -> bytes:
    return source.choice(
        (
            b"", b" ", b"null", b"true", b"0", b'"x"', b"[]", b"{}", b"[{}]", b"[[]]", b"[null]",
            b"\xff\xfe\xfd", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00" * 1000, b"\xc3\x28", b"{" * 50,
            b'"' * 50_000, b'{"a":' * 1000, b"{{ticker}}", b"ticker: AAPL\naction: BUY",
            b"a=1&b=2", b"<xml/>", "ticker：AAPL".encode(), source.randbytes(500),
        )
    )  # fmt: skip


_HOSTILE = (_deep, _number, _text, _names, _twice, _types, _many, _noise)
