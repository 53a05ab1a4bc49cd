"""What clients send: a message in, its name and its fields by name out; strict."""

from __future__ import annotations

from typing import NamedTuple

from tests.fakes.tws import layouts as of
from tests.fakes.tws.wire import Malformed, Reader

PLACE_ORDER, MARKET_DATA = 3, 1
#: Delta, beta, FX, pair.
_HEDGES = frozenset("DBFP")


class Request(NamedTuple):
    """One message of a client."""

    name: str
    fields: dict[str, object]

    @property
    def number(self) -> int:
        """What its answers and errors carry: the order's or the request's id; −1 = it has none."""
        return self.fields.get("orderId", self.fields.get("reqId", -1))


def parse(fields: list[str], version: int) -> Request:
    """Read one message. Raises: Malformed."""
    if not fields:
        raise Malformed("a message without fields")
    kind, rest = fields[0], fields[1:]
    if not kind.isdecimal():
        raise Malformed(f"a message begins with its number, this one with {kind!r}")
    number = int(kind)
    if number == PLACE_ORDER:
        return _place_order(rest, version)
    if number == MARKET_DATA:
        return _market_data(rest)
    if number not in of.REQUESTS:
        raise Malformed(f"message {number} is unknown here: {fields[:8]}")
    name, specs = of.REQUESTS[number]
    reader = Reader(name, rest)
    found = reader.run(specs)
    reader.end()
    _check_version(name, found, of.VERSIONS.get(number, 1))
    return Request(name, found)


def _check_version(name: str, found: dict[str, object], expected: int) -> None:
    if found.get("version", expected) != expected:
        raise Malformed(f"{name}: version {found['version']}, expected {expected}")


def _market_data(fields: list[str]) -> Request:
    name = "reqMktData"
    reader = Reader(name, fields)
    found = reader.run(of.MARKET_DATA)
    _check_version(name, found, of.VERSIONS[MARKET_DATA])
    if found["secType"] == "BAG":
        found["legs"] = reader.rows(of.MARKET_DATA_LEG)
    if reader.take("deltaNeutral:flag"):
        found["deltaNeutralContract"] = reader.run(of.DELTA_NEUTRAL_CONTRACT)
    found |= reader.run(of.MARKET_DATA_END)
    reader.end()
    return Request(name, found)


def _place_order(fields: list[str], version: int) -> Request:
    """The one message whose fields depend on each other all along."""
    reader = Reader("placeOrder", fields)
    found = reader.run(of.PLACE_HEAD)
    if found["secType"] == "BAG":
        found["legs"] = reader.rows(of.PLACE_LEG)
        found["legPrices"] = reader.rows(of.PLACE_LEG_PRICE)
        found["comboParams"] = reader.rows(of.TAG_VALUE)
    found |= reader.run(of.PLACE_ALLOCATION)
    if version < 177:
        found |= reader.run(("faProfile",))
    found |= reader.run(of.PLACE_MIDDLE)
    if found["deltaNeutralOrderType"]:
        found |= reader.run(of.PLACE_DELTA_NEUTRAL)
    found |= reader.run(of.PLACE_TRAIL)
    if (found["scalePriceIncrement"] or 0) > 0:
        found |= reader.run(of.PLACE_SCALE)
    found |= _place_hedge_and_algo(reader)
    found |= _place_conditions(reader, found["orderType"])
    found |= reader.run(of.PLACE_TAIL)
    found |= _place_offsets(reader, found)
    reader.end()
    return Request("placeOrder", found)


def _place_hedge_and_algo(reader: Reader) -> dict[str, object]:
    found = reader.run(of.PLACE_TABLE)
    if found["hedgeType"]:
        if found["hedgeType"] not in _HEDGES:
            raise Malformed(f"placeOrder: a hedge of type {found['hedgeType']!r}")
        found |= reader.run(("hedgeParam",))
    found |= reader.run(of.PLACE_CLEARING)
    if reader.take("deltaNeutral:flag"):
        found["deltaNeutralContract"] = reader.run(of.DELTA_NEUTRAL_CONTRACT)
    found |= reader.run(("algoStrategy",))
    if found["algoStrategy"]:
        found["algoParams"] = reader.rows(of.TAG_VALUE)
    return found | reader.run(of.PLACE_WHAT_IF)


def _place_conditions(reader: Reader, order_type: str) -> dict[str, object]:
    found = {}
    if order_type in {"PEG BENCH", "PEGBENCH"}:
        found |= reader.run(of.PLACE_BENCHMARK)
    conditions = [_condition(reader) for _ in range(reader.take("conditions:int"))]
    if conditions:
        found |= reader.run(of.CONDITIONS_END) | {"conditions": conditions}
    return found


def _condition(reader: Reader) -> dict[str, object]:
    kind = reader.take("conditionType:int")
    if kind not in of.CONDITIONS:
        raise Malformed(f"placeOrder: a condition of type {kind}")
    found = reader.run(of.CONDITIONS[kind])
    if found["conjunction"] not in {"a", "o"}:
        raise Malformed(f"placeOrder: conditions are joined by a or o, not {found['conjunction']}")
    return {"type": kind, **found}


def _place_offsets(reader: Reader, found: dict[str, object]) -> dict[str, object]:
    offsets, middle = {}, found["orderType"] in {"PEG MID", "PEGMID"}
    if found["exchange"] == "IBKRATS":
        offsets |= reader.run(("minTradeQty:int?",))
    if found["orderType"] in {"PEG BEST", "PEGBEST"}:
        offsets |= reader.run(("minCompeteSize:int?", "competeAgainstBestOffset"))
        middle = offsets["competeAgainstBestOffset"] in {"Infinite", "Infinity"}
    if middle:
        offsets |= reader.run(("midOffsetAtWhole:num?", "midOffsetAtHalf:num?"))
    return offsets
