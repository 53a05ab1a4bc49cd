"""The pictures and tables of docs/architecture.md, drawn from the code; `make_docs.py` writes them.

Pictures are Mermaid, which GitHub draws. Each leaves out what would hide its point, by a rule that
stands here; the table below it leaves out nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from scripts import make_roles
from scripts.launcher.home import REPOSITORY
from scripts.launcher.table import SERVICES
from services.common.topology import PUBLISHERS, SUBSCRIBERS, SUBSCRIPTIONS, TOPICS
from services.domain.orders import TERMINAL, TRANSITIONS
from services.domain.words import OrderStatus

#: From, to, and what the arrow looks like.
Edge = tuple[str, str, str]
#: Who hands a signal on, from the door to the broker.
ROAD: Final = ("signal_gateway", "signal_ingestion", "cerebro", "execution")
#: Who tells Cerebro what accounts have, and what strategies are given.
TELLING: Final = ("account_data", "portfolio_builder")
#: Each service keeps rows of its own in it, and reads no other's.
_OF_EACH: Final = frozenset({"checkpoints"})
_WRITES, _READS, _BOTH = "-->", "-.->", "<-->"
_CYLINDER: Final = "[({})]"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def bus() -> str:
    """Who rings for whom. Topics are round."""
    rings = ((who, topic, _WRITES) for who, topics in PUBLISHERS.items() for topic in topics)
    hears = ((each.topic, who, _WRITES) for who, heard in SUBSCRIBERS.items() for each in heard)
    return _flowchart([*rings, *hears], dict.fromkeys(TOPICS, "([{}])"))


def subscriptions() -> str:
    """What the bus has, and where a message goes that its consumer could not handle."""
    consumers = {each.name: who for who, heard in SUBSCRIBERS.items() for each in heard}
    rows = (
        (f"`{each.name}`", f"`{each.topic}`", consumers[each.name], f"`{each.dead_letter_topic}`")
        for each in SUBSCRIPTIONS
    )
    return table(("subscription", "of topic", "consumer", "dead letters"), rows)


def road() -> str:
    """Where services of the road meet: who writes what another one of them uses, too."""
    uses = {service: make_roles.own_uses_of(service) for service in ROAD}
    edges = [
        (service, collection, _WRITES)
        for service, (_, writes) in uses.items()
        for collection in sorted(writes - _OF_EACH)
        if sum(collection in reads for reads, _ in uses.values()) > 1
    ]
    return _flowchart(edges, {collection: _CYLINDER for _, collection, _ in edges})


def knowledge() -> str:
    """What Cerebro decides with, and did not write itself or only asked for."""
    reads, asks = make_roles.own_uses_of("cerebro")
    edges: list[Edge] = []
    for service in TELLING:
        told = make_roles.own_uses_of(service)[1] & reads
        edges += [(service, collection, _WRITES) for collection in sorted(told)]
    known = dict.fromkeys(collection for _, collection, _ in edges)
    edges += [(each, "cerebro", _BOTH if each in asks else _READS) for each in known]
    return _flowchart(edges, dict.fromkeys(known, _CYLINDER))


def collections() -> str:
    """Every collection, who may write it, and who may only read it."""
    uses = {service: make_roles.uses_of(service) for service in reversed(SERVICES)}
    rows = []
    for collection in sorted(make_roles.collections()):
        writers = [who for who, (_, writes) in uses.items() if collection in writes]
        readers = [who for who, (reads, _) in uses.items() if collection in reads]
        others = [who for who in readers if who not in writers]
        rows.append((f"`{collection}`", ", ".join(writers) or "–", ", ".join(others) or "–"))
    return table(("collection", "may write", "may only read"), rows)


def layers() -> str:
    """Who imports whom, as the source says; `lint-imports` refuses any other direction."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    rows = next(each["layers"] for each in contracts if each["type"] == "layers")
    groups = {f"layer{number}": row.split(" | ") for number, row in enumerate(rows)}
    groups["brokers"] = ["brokers"]
    of_package = {package: name for name, packages in groups.items() for package in packages}
    edges = {
        (of_package[importer], of_package[imported], _WRITES)
        for importer, imported in make_roles.imports_between(of_package)
        if of_package[importer] != of_package[imported]
    }
    labels = {name: f"[{'<br>'.join(packages)}]" for name, packages in groups.items()}
    return _flowchart(sorted(edges), labels, direction="TB")


def order_moves() -> str:
    """How an order that has not ended moves; a fill is drawn once, though it may always come."""
    moves = {
        (before, after)
        for before, possible in TRANSITIONS.items()
        for after in possible - TERMINAL - {before}
        if after is not OrderStatus.PARTIALLY_FILLED or before is OrderStatus.SUBMITTED
    }
    edges = [
        (before, after, _BOTH if (after, before) in moves else _WRITES)
        for before, after in sorted(moves, key=_in_order)
        if (after, before) not in moves or _in_order((before, after)) < _in_order((after, before))
    ]
    return _flowchart(edges, {})


def _in_order(move: tuple[OrderStatus, OrderStatus]) -> tuple[int, ...]:
    return tuple(map(list(TRANSITIONS).index, move))


def order_table() -> str:
    """Every legal move."""
    rows = (
        (f"`{before}`", ", ".join(f"`{each}`" for each in OrderStatus if each in after) or "–")
        for before, after in TRANSITIONS.items()
    )
    return table(("from", "may become"), rows)


def _flowchart(edges: Iterable[Edge], shapes: Mapping[str, str], *, direction: str = "LR") -> str:
    """Mermaid's simplest kind of picture. A shape is brackets round `{}`, or round a text."""
    lines = [f"flowchart {direction}"]
    lines += [f"  {_id(name)}{shape.format(name)}" for name, shape in sorted(shapes.items())]
    lines += [f"  {_id(before)} {arrow} {_id(after)}" for before, after, arrow in edges]
    return "\n".join(["```mermaid", *lines, "```", ""])


def _id(name: str) -> str:
    """Hyphens could be read as arrows."""
    return name.replace("-", "_")


PICTURES: Final[Mapping[str, Callable[[], str]]] = {
    "bus": bus,
    "subscriptions": subscriptions,
    "road": road,
    "knowledge": knowledge,
    "collections": collections,
    "layers": layers,
    "order-moves": order_moves,
    "order-table": order_table,
}
