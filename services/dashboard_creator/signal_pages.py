"""The page of one signal, and of one order: everything that is stored of it, for who may see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.common.callers import Caller
from services.common.problems import Refusal
from services.common.store import Store
from services.dashboard_creator.documents import order_view
from services.dashboard_creator.list_models import DeadLetterPage
from services.dashboard_creator.list_rows import fill_row, order_line
from services.dashboard_creator.lists_store import ListStore
from services.dashboard_creator.models import (
    DecisionView,
    PassableView,
    RawSignal,
    SignalPage,
    StepView,
)
from services.dashboard_creator.order_page import OrderPage, order_page
from services.dashboard_creator.road import grouped, road
from services.dashboard_creator.scrub import scrubbed, scrubbed_body
from services.dashboard_creator.service import Dashboards
from services.domain.approvals import AWAITS_APPROVAL

Document = Mapping[str, Any]
_MOST_LETTERS: Final = 20_000


class SignalPages:
    """Looks one thing up and says all of it."""

    def __init__(self, store: Store, dashboards: Dashboards) -> None:
        self._store = store
        self._rows = ListStore(store)
        self._dashboards = dashboards

    def signal(self, signal_id: str, caller: Caller) -> SignalPage:
        """Everything of one signal. Raises: Refusal (404)."""
        page = self._dashboards.signal(signal_id)
        if page is None or not caller.may_see(page.strategy_id):
            raise Refusal(404, "UNKNOWN_SIGNAL", f"there is no signal {signal_id!r}")
        life = self._life(signal_id)
        more = {
            "road": road(page.received_at, life.get("stages") or {}, waits_of(life)),
            "raw": self._raw(life),
            "waiting_for": waiting_for(life),
            "contention": self._contention(signal_id) if caller.strategies is None else (),
            "links": links_of(page),
            "decision": decision_for(page.decision, caller),
        }
        return page.model_copy(update=more)

    def order(self, order_id: str, caller: Caller) -> OrderPage:
        """Everything of one order. Raises: Refusal (404)."""
        found = self._rows.order(order_id)
        if found is None or not caller.may_see(found["strategy_id"]):
            raise Refusal(404, "UNKNOWN_ORDER", f"there is no order {order_id!r}")
        instrument = found["order"]["instrument"]
        fills = self._rows.fills_of_order(found["signal_id"], order_id)
        children = self._rows.orders_by_id(found.get("children") or [], {"events": 0})
        return order_page(
            found,
            order_view(found),
            fills=[fill_row(row, instrument) for row in fills],
            children=[order_line(row) for row in children],
        )

    def dead_letter(self, letter_id: str) -> DeadLetterPage:
        """One failed message, without secrets. Raises: Refusal (404)."""
        found = self._rows.dead_letter(letter_id)
        if found is None:
            raise Refusal(404, "UNKNOWN_DEAD_LETTER", f"there is no dead letter {letter_id!r}")
        clean = {
            name: scrubbed(str(found.get(name, "")))[-_MOST_LETTERS:]
            for name in ("payload", "error", "traceback")
        }
        return DeadLetterPage.model_validate({**found, **clean, "dead_letter_id": found["_id"]})

    def _life(self, signal_id: str) -> Document:
        fields = {
            "stages": 1,
            "raw_id": 1,
            "undecided": 1,
            "waiting_since": 1,
            "canceled_entries": 1,
            "signal.follows": 1,
            "strategy_id": 1,
        }
        return self._store["signal_store"].find_one({"_id": signal_id}, fields) or {}

    def _raw(self, life: Document) -> RawSignal | None:
        found = self._store["trading_signals_raw"].find_one({"_id": life.get("raw_id")})
        if found is None or "received_at" not in found:
            return None
        return RawSignal(
            source=str(found.get("source", "")),
            reader=str(found.get("reader", "")),
            remote=str(found.get("remote", "")),
            body=scrubbed_body(str(found.get("body", "")))[:_MOST_LETTERS],
            received_at=found["received_at"],
        )

    def _contention(self, signal_id: str) -> Sequence[str]:
        accounts = [row["_id"] for row in self._rows.account_names()]
        ids = [f"{signal_id}|{each}" for each in accounts]
        found = self._store["contention_ledger"].find({"_id": {"$in": ids}})
        return tuple(row["sentence"] for row in found)


def decision_for(decision: DecisionView | None, caller: Caller) -> DecisionView | None:
    """The decision with what would have passed in words; figures of accounts only for operators."""
    if decision is None:
        return None
    passable = [
        each.model_copy(update={"sentence": _would_have_been(each, decision.steps)})
        for each in decision.passable
    ]
    steps = decision.steps
    if caller.strategies is not None:
        steps = tuple(
            StepView(name=step.name, leg_index=step.leg_index, bound=step.bound) for step in steps
        )
    return decision.model_copy(update={"passable": tuple(passable), "steps": steps})


def _would_have_been(passable: PassableView, steps: Sequence[StepView]) -> str:
    where = passable.account_id
    bound = [step for step in steps if step.bound and step.account_id in {None, where}]
    why = f"; {bound[-1].name} stopped more" if bound else ""
    if not passable.quantity:
        return f"nothing would have passed in {where}{why}"
    return f"would have been {grouped(passable.quantity)} in {where}{why}"


def waits_of(life: Document) -> dict[str, str]:
    """By stage, what a signal waited for that is not work on itself."""
    said = []
    if (life.get("signal") or {}).get("follows"):
        said.append("the exit that it follows")
    if entries := life.get("canceled_entries"):
        many = "an entry order" if len(entries) == 1 else f"{len(entries)} entry orders"
        said.append(f"{many} of its own to be canceled")
    return {"DECIDED": " and ".join(said)} if said else {}


def waiting_for(life: Document) -> str:
    """What an undecided signal waits for."""
    if not life.get("undecided"):
        return ""
    if life["undecided"] == AWAITS_APPROVAL:
        return "a person's approval"
    known = waits_of(life).get("DECIDED")
    since = life.get("waiting_since")
    if since is None:
        return known or "its turn at Cerebro"
    what = known or "what Cerebro asked for: a price, a margin, a signal before it, or a person"
    return f"{what}, since {since:%H:%M:%S} UTC"


def links_of(page: SignalPage) -> dict[str, str]:
    """Where more is asked."""
    own = f"/api/v1/signals/{page.signal_id}"
    links = {"evidence": f"{own}/evidence"}
    if page.replay_of:
        links["replay_of"] = f"/api/v1/signals/{page.replay_of}"
    return {**links, "strategy": f"/api/v1/signals?strategy_id={page.strategy_id}"}
