"""Time-based square-off: what a strategy holds is closed at its time of the day, on a row's word.

The moment is taken in the store before anything is done for it, so that a crash or a second owner
goes on with the same one; what it has to close is found from orders and books each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.guards import exclude_others, make_guard
from services.common.incidents import raise_incident
from services.common.store import Document
from services.domain.books import Position
from services.domain.orders import Order, child_order_id_for
from services.domain.square_off import SquareOff
from services.domain.words import Environment, Intent, OrderRole, OrderType, TimeInForce
from services.execution.counter import Counter
from services.execution.gate import GUARDS
from services.execution.kill_documents import closing_documents

#: How often what is left is closed again before a person has to look.
_ROUNDS: Final = 3
#: And how long orders may go on working.
_PATIENCE: Final = timedelta(minutes=2)
#: Orders that close already, and are not in the way.
_CLOSE: Final = frozenset({OrderRole.SQUARE_OFF, OrderRole.FLATTEN, OrderRole.UNWIND})


class Squaring:
    """Square-offs of one account; for its worker thread only."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._rows = counter.store["square_offs"]

    def run(self, now: datetime) -> list[str]:
        """Begin what is due and go on with what was begun.

        Returns: client_order_ids that the desk should look at.

        Raises: PyMongoError, TransientError.
        """
        wake: list[str] = []
        account_id = self._counter.account_id
        for strategy in self._counter.queries.squaring_off(account_id):
            setting = SquareOff.model_validate(strategy["square_off"])
            wake += self._look(strategy["_id"], setting, now)
        return wake

    def _look(self, strategy_id: str, setting: SquareOff, now: datetime) -> list[str]:
        key = f"{strategy_id}|{self._counter.account_id}"
        row = self._rows.find_one({"_id": key})
        if row is None:  # setting it closes nothing at once
            self._rows.insert_one({"_id": key, "last_done": now})
            return []
        moment: datetime | None = row.get("moment")
        if moment is None:
            moment = setting.due(row["last_done"], now)
            if moment is None:
                return []
            begun = {"last_done": moment, "moment": moment, "begun_at": now, "rounds": 0}
            self._rows.update_one({"_id": key}, {"$set": begun})
            row |= begun
        return self._close(strategy_id, row, now)

    def _close(self, strategy_id: str, row: Document, now: datetime) -> list[str]:
        """One step towards flat: entries and exits end first, then what is held is closed.

        An exit at a limit may rest until the market closes, and keep its position overnight.
        """
        account_id = self._counter.account_id
        working = self._counter.queries.working_of(account_id, strategy_id)
        # As they are stored: an order that cannot be read may work at the broker all the same.
        roles = {each["_id"]: (each.get("order") or {}).get("role") for each in working}
        at_work = [order_id for order_id, role in roles.items() if role not in GUARDS]
        if at_work:
            began: datetime = row.get("begun_at") or row["moment"]
            if now - began > _PATIENCE:
                self._tell(strategy_id, row, f"orders of it still work: {', '.join(at_work)}")
            going = [order_id for order_id in at_work if roles[order_id] not in _CLOSE]
            self._counter.queries.request_cancel(going, at=now, text="square-off")
            return going
        positions = self._counter.queries.open_positions(account_id, strategy_id)
        if not positions:
            self._end(row)
            return []
        if row["rounds"] >= _ROUNDS:
            held = ", ".join(f"{p.quantity:f} {p.instrument.symbol}" for p in positions)
            self._tell(strategy_id, row, f"it holds {held} after {_ROUNDS} tries")
            self._end(row)
            return []
        return self._create(row, [_closing(each, row) for each in positions], now)

    def _tell(self, strategy_id: str, row: Document, found: str) -> None:
        account_id = self._counter.account_id
        raise_incident(
            self._counter.store,
            kind="SQUARE_OFF_INCOMPLETE",
            key=row["_id"],
            sentence=f"{strategy_id} should be flat in {account_id} since "
            f"{row['moment']:%Y-%m-%d %H:%M} UTC, but {found}",
            facts={"account_id": account_id, "strategy_id": strategy_id},
        )

    def _end(self, row: Document) -> None:
        self._rows.update_one(
            {"_id": row["_id"]}, {"$unset": {"moment": "", "begun_at": "", "rounds": ""}}
        )

    def _create(self, row: Document, closing: Sequence[Order], now: datetime) -> list[str]:
        account_id = self._counter.account_id
        make_guard(self._counter.store, account_id)

        def work(session: ClientSession) -> None:
            exclude_others(self._counter.store, [account_id], session)
            store = self._counter.store
            rows, held = closing_documents(closing, at=now)
            store["orders"].insert_many(rows, session=session)
            store["reservations"].insert_many(held, session=session)
            self._rows.update_one({"_id": row["_id"]}, {"$inc": {"rounds": 1}}, session=session)

        try:
            self._counter.books.transact(self._counter.lease, work)
        except DuplicateKeyError:
            return []
        return [order.client_order_id for order in closing]


def _closing(position: Position, row: Document) -> Order:
    moment: datetime = row["moment"]
    parent = f"{row['_id']}|{moment.isoformat()}|{position.instrument.key}"
    return Order(
        client_order_id=child_order_id_for(parent, OrderRole.SQUARE_OFF, row["rounds"]),
        signal_id=f"square-off {position.strategy_id} {moment.isoformat()}",
        strategy_id=position.strategy_id,
        account_id=position.account_id,
        leg_index=0,
        intent=Intent.EXIT,
        instrument=position.instrument,
        side=position.closing_side,
        quantity=abs(position.quantity),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        environment=Environment.PRODUCTION,
        role=OrderRole.SQUARE_OFF,
    )
