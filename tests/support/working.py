"""Orders that a desk works at the mock broker, and what is seen of them."""

from decimal import Decimal

from services.domain.words import Intent, OrderType, Side
from tests.support.broker_orders import ACCOUNT
from tests.support.builders import make_instrument, make_order
from tests.support.desks import add_order, stored, wait_for

AAPL, MSFT = make_instrument(), make_instrument("MSFT")
EMULATED = {"brackets": False, "oco": False, "combos": False}
NATIVE: dict[str, bool] = {}


def guarded(quantity="10", **fields):
    fields.setdefault("stop_loss", Decimal(140))
    fields.setdefault("take_profit", Decimal(160))
    return make_order(quantity, account_id=ACCOUNT, **fields)


def leave(quantity="10", **fields):
    fields.setdefault("signal_id", "sig_exit")
    return make_order(quantity, side=Side.SELL, intent=Intent.EXIT, account_id=ACCOUNT, **fields)


def resting(**fields):
    fields.setdefault("limit_price", Decimal(140))
    return make_order("10", account_id=ACCOUNT, order_type=OrderType.LIMIT, **fields)


def rested(desk, store, order):
    order_id = add_order(store, order)
    desk.wake([order_id])
    wait_for(lambda: stored(store, order_id)["status"] == "SUBMITTED")
    return order_id


def guards(store, order, status="SUBMITTED"):
    """Ids of an order's guards that stand so, by role."""
    query = {"order.parent_order_id": order.client_order_id, "status": status}
    rows = store["orders"].find(query)
    roles = ("STOP_LOSS", "TAKE_PROFIT")
    return {r["order"]["role"]: r for r in rows if r["order"]["role"] in roles}


def live(store, order, role="STOP_LOSS"):
    """What guards of one role still cover."""
    query = {"order.parent_order_id": order.client_order_id, "order.role": role, "working": True}
    rows = store["orders"].find(query)
    return sum(row["order"]["quantity"] - row["filled_quantity"] for row in rows)


def held(store, instrument=AAPL):
    found = store["positions"].find_one({"instrument_key": instrument.key})
    return found["quantity"] if found else Decimal(0)


def agrees(store, desk):
    """Our books are the broker's."""
    ours = {
        row["instrument_key"]: row["quantity"] for row in store["positions"].find({"open": True})
    }
    broker = {each.instrument.key: each.quantity for each in desk._counter.broker.positions()}
    return ours == broker
