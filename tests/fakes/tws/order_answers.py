"""What the gateway says of orders and executions: the longest messages of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.domain.orders import Execution
from tests.fakes.tws import layouts as of
from tests.fakes.tws.answers import Fields
from tests.fakes.tws.wire import UNSET_DOUBLE

_MARGINS = 9


class State(NamedTuple):
    """How an order stands, in TWS' words.

    Attributes:
        margins: of whatIf: before, change and after of initial margin, maintenance margin, equity.
        commission: of whatIf.
    """

    status: str
    filled: Decimal = Decimal(0)
    remaining: Decimal = Decimal(0)
    average: Decimal = Decimal(0)
    last: Decimal = Decimal(0)
    why_held: str = ""
    warning: str = ""
    completed_at: str = ""
    completed_status: str = ""
    margins: tuple[Decimal, ...] = ()
    commission: Decimal | None = None
    currency: str = ""


class Identity(NamedTuple):
    """What names an order."""

    order_id: int
    client_id: int
    perm_id: int
    parent_id: int = 0


def order_status(identity: Identity, state: State) -> Fields:
    """How an order stands."""
    return [
        3,
        identity.order_id,
        state.status,
        state.filled,
        state.remaining,
        state.average,
        identity.perm_id,
        identity.parent_id,
        state.last,
        identity.client_id,
        state.why_held,
        0,  # mktCapPrice
    ]


def open_order(
    identity: Identity, order: Mapping[str, object], state: State, version: int
) -> Fields:
    """An order with everything that it was sent with, and how it stands."""
    return [
        5,
        identity.order_id,
        *_named(of.OPEN_ORDER_HEAD, order),
        order.get("origin") or 0,
        order.get("orderRef", ""),
        identity.client_id,
        identity.perm_id,
        *_named(of.OPEN_ORDER_A, order),
        *([""] if version < 177 else []),
        *_named(of.OPEN_ORDER_B, order),
        *_volatility(order, of.PLACE_DELTA_NEUTRAL),
        order.get("trailStopPrice"),
        order.get("trailingPercent"),
        *("", ""),  # basisPoints, basisPointsType
        *_combo(order),
        *_scale_and_hedge(order),
        order.get("optOutSmartRouting", False),
        *_clearing_and_algo(order),
        order.get("solicited", False),
        order.get("whatIf", False),
        state.status,
        *(state.margins or [UNSET_DOUBLE] * _MARGINS),
        UNSET_DOUBLE if state.commission is None else state.commission,
        *(UNSET_DOUBLE, UNSET_DOUBLE),  # minCommission, maxCommission
        state.currency,
        state.warning,
        *_randomize_benchmark_conditions(order),
        *_named(of.OPEN_ORDER_C, order),
    ]


def completed_order(
    perm_id: int, order: Mapping[str, object], state: State, version: int
) -> Fields:
    """An order that has ended: without its orderId and clientId, as TWS does."""
    ended = {
        **order,
        "filledQuantity": state.filled,
        "completedTime": state.completed_at,
        "completedStatus": state.completed_status,
    }
    return [
        101,
        *_named(of.OPEN_ORDER_HEAD, ended),
        ended.get("origin") or 0,
        ended.get("orderRef", ""),
        perm_id,
        *_named(of.COMPLETED_A, ended),
        *_named(of.COMPLETED_FA, ended),
        *([""] if version < 177 else []),
        *_named(of.COMPLETED_B, ended),
        *_volatility(ended, (of.PLACE_DELTA_NEUTRAL[0], *of.PLACE_DELTA_NEUTRAL[5:])),
        ended.get("trailStopPrice"),
        ended.get("trailingPercent"),
        *_combo(ended),
        *_scale_and_hedge(ended),
        *_clearing_and_algo(ended),
        ended.get("solicited", False),
        state.status,
        *_randomize_benchmark_conditions(ended),
        *_named(of.COMPLETED_C, ended),
    ]


class Told(NamedTuple):
    """One execution as `execDetails` tells it, beside the fill itself."""

    execution_id: str
    contract: Mapping[str, object]
    account: str
    order_ref: str
    cumulative: Decimal
    average: Decimal


def exec_details(
    request: int, identity: Identity, fill: Execution, told: Told, zone_and_version: tuple[str, int]
) -> Fields:
    """An execution; of request −1 where it is told as it happens. Busted: no shares."""
    zone, version = zone_and_version
    shares = Decimal(0) if fill.busted else fill.quantity
    revision = [False] if version >= 178 else []
    return [
        11,
        request,
        identity.order_id,
        *(told.contract.get(name, "") for name in of.ANSWERED_CONTRACT),
        told.execution_id,
        moment(fill.occurred_at, zone),
        told.account,
        told.contract.get("exchange", ""),
        "BOT" if fill.side == "BUY" else "SLD",
        shares,
        fill.price,
        identity.perm_id,
        identity.client_id,
        0,  # liquidation
        told.cumulative,
        told.average,
        told.order_ref,
        *("", "", "", 2),  # evRule, evMultiplier, modelCode, lastLiquidity
        *revision,
    ]


def moment(at: datetime, zone: str) -> str:
    """A time as TWS writes it: to the second, in the zone of its login."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y%m%d %H:%M:%S} {zone}"


def _named(names: Iterable[str], order: Mapping[str, object]) -> Fields:
    """Fields by name; one that was not set as TWS writes that."""
    told = (order.get(name) for name in names)
    return [
        of.WRITTEN_UNSET.get(name, "") if value is None or value == "" else value
        for name, value in zip(names, told, strict=True)
    ]


def _volatility(order: Mapping[str, object], delta_neutral: Iterable[str]) -> Fields:
    """TWS writes `None` where there is no delta-neutral order, and the fields of one behind it."""
    kind = order.get("deltaNeutralOrderType") or "None"
    names = [spec.partition(":")[0] for spec in delta_neutral]
    values = [order.get(name, 0 if "Id" in name or "Sl" in name else "") for name in names]
    values = [
        False if name == "deltaNeutralShortSale" and value == "" else value
        for name, value in zip(names, values, strict=True)
    ]
    return [
        order.get("volatility"),
        order.get("volatilityType"),
        kind,
        order.get("deltaNeutralAuxPrice"),
        *values,
        order.get("continuousUpdate", False),
        order.get("referencePriceType"),
    ]


def _combo(order: Mapping[str, object]) -> Fields:
    legs = order.get("legs", ())
    described = ",".join(
        f"{leg['conId']}|{leg['ratio'] if leg['action'] == 'BUY' else -leg['ratio']}"
        for leg in legs
    )
    return [described, *_rows(legs), *_rows(order.get("legPrices", ())), *_pairs(order)]


def _pairs(order: Mapping[str, object]) -> Fields:
    return _rows(order.get("comboParams", ()))


def _rows(rows: Iterable[Mapping[str, object]]) -> Fields:
    rows = list(rows)
    return [len(rows), *(value for row in rows for value in row.values())]


def _scale_and_hedge(order: Mapping[str, object]) -> Fields:
    told = [order.get(name) for name in ("scaleInitLevelSize", "scaleSubsLevelSize")]
    told.append(order.get("scalePriceIncrement"))
    if (order.get("scalePriceIncrement") or 0) > 0:
        told += [order.get(spec.partition(":")[0]) for spec in of.PLACE_SCALE]
    hedge = order.get("hedgeType", "")
    return [*told, hedge, *([order["hedgeParam"]] if hedge else [])]


def _clearing_and_algo(order: Mapping[str, object]) -> Fields:
    told = [order.get("clearingAccount", ""), order.get("clearingIntent") or "IB"]
    told.append(order.get("notHeld", False))
    neutral = order.get("deltaNeutralContract")
    told += [True, *neutral.values()] if neutral else [False]
    algo = order.get("algoStrategy", "")
    return [*told, algo, *(_rows(order.get("algoParams", ())) if algo else [])]


def _randomize_benchmark_conditions(order: Mapping[str, object]) -> Fields:
    told: Fields = [order.get("randomizeSize", False), order.get("randomizePrice", False)]
    if order.get("orderType") in {"PEG BENCH", "PEGBENCH"}:
        told += [order.get(spec.partition(":")[0]) for spec in of.PLACE_BENCHMARK]
    conditions = order.get("conditions", ())
    told.append(len(conditions))
    for each in conditions:
        told += list(each.values())
    if conditions:
        told += [order["conditionsIgnoreRth"], order["conditionsCancelOrder"]]
    return told
