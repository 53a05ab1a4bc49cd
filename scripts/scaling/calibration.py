"""Parameters out of what `scripts/bench_commands.py` has measured.

A batch costs `fixed` + n × `each`: two rates with batches of different size give both. The share of
each service in the database's CPU is taken from how long its answers took, less what the instance
does at rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scripts.scaling.parameters import Costs, Hum, Idle, Work
from scripts.scaling.road import ON_THE_ROAD

_BESIDE = ("telegram", "dashboard_creator", "account_data", "portfolio_builder")
#: Costs of execution that are the booking; shared ones are half of each.
_BOOKS = ("execution_confirmations", "positions", "cash_flows", "reservations", "signal_store")
_SHARED = ("update orders", "commitTransaction -", "find orders")
_ENDS_A_BATCH = "commitTransaction -"
#: The embedded database answers a change stream every 30 ms; a real one when there is something.
_EMBEDDED_ONLY = "getMore"


class _Seen(NamedTuple):
    """Of one process in one phase, a signal's or a second's share.

    Attributes:
        answers_ms: how long the database's answers took, together.
    """

    cpu_ms: float
    commands: float
    answers_ms: float


class Measured:
    """One run of `bench_commands.py`."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        """From its JSON: a phase at rest, then phases with a rate."""
        self.accounts = int(result["accounts"])
        self.strategies = int(result["strategies"])
        self.rest = next(phase for phase in result["phases"] if not phase["signals"])
        self.rates = [phase for phase in result["phases"] if phase["signals"]]

    def phases_of(self, low: float, high: float) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The phases whose rates are next to these."""
        nearest = [min(self.rates, key=lambda p: abs(p["rate"] - rate)) for rate in (low, high)]
        return nearest[0], nearest[1]

    def costs(self, low: Mapping[str, Any], high: Mapping[str, Any]) -> Costs:
        """What the steps cost, from a phase with small batches and one with large ones."""
        works = {name: self._work(name, low, high) for name in (*ON_THE_ROAD, *_BESIDE)}
        share = self._share_of_books(low)
        desk = works["execution"]
        signals = low["signals"]
        return Costs(
            gateway=works["signal_gateway"],
            ingestion=works["signal_ingestion"],
            deciding=works["cerebro"],
            intents=_part(desk, 1 - share),
            books=_part(desk, share),
            following={name: works[name] for name in _BESIDE},
            bus_ms=self._cpu_s("pubsub_local", low) * 1000 / signals / 3,
            broker_ms=self._cpu_s("mock_broker", low) * 1000 / signals,
        )

    def idle(self, more: Measured, *, embedded: bool) -> Idle:
        """What is done at rest: of the instance and for each account, from two numbers of these.

        Args:
            more: a run with more accounts.
            embedded: whether polling of change streams counts, which a real database has not.
        """
        found = {}
        for name in self.rest["commands"] | {"signal_gateway": {}}:
            low, high = (run.hum(name, embedded=embedded) for run in (self, more))
            pairs = zip(low, high, strict=True)
            found[name] = Hum(*(_line(self.accounts, a, more.accounts, b) for a, b in pairs))
        return found

    def hum(self, name: str, *, embedded: bool) -> tuple[float, float, float]:
        """CPU ms, commands and the database's ms of a process in a second at rest."""
        seconds = self.rest["seconds"]
        counts = {
            process: sum(
                row[0]
                for command, row in rows.items()
                if embedded or not command.startswith(_EMBEDDED_ONLY)
            )
            for process, rows in self.rest["commands"].items()
        }
        commands = counts.get(name, 0.0)
        share = commands / sum(counts.values())
        database = 1000 * self.rest["cpu_s"]["mongodb"] * share
        cpu = 1000 * self.rest["cpu_s"][name]
        return cpu / seconds, commands / seconds, database / seconds

    def _work(self, name: str, low: Mapping[str, Any], high: Mapping[str, Any]) -> Work:
        fits = []
        sizes = [self.batch(name, phase) for phase in (low, high)]
        seen = [self._seen(name, phase) for phase in (low, high)]
        database = [self._database_ms(name, phase) for phase in (low, high)]
        pairs = [(a, b) for a, b in zip(seen[0][:2], seen[1][:2], strict=True)]
        for costs in (*pairs, (database[0], database[1])):
            fits.append(_fit(sizes, costs))
        cpu, commands, database_ms = fits
        return Work(cpu, commands, database_ms, durable=1)

    def batch(self, name: str, phase: Mapping[str, Any]) -> float:
        """Signals that a process handles in one transaction on average; 1 where it has none."""
        if name not in {"cerebro", "execution"}:
            return 1.0
        commits = phase["commands"][name].get(_ENDS_A_BATCH, [0])[0]
        per_batch = 2 if name == "execution" else 1
        return max(1.0, per_batch * float(phase["signals"]) / commits) if commits else 1.0

    def _seen(self, name: str, phase: Mapping[str, Any]) -> _Seen:
        """Of a signal, less what the instance does at rest."""
        rows = phase["commands"].get(name, {})
        before = self.rest["commands"].get(name, {})
        signals, scale = phase["signals"], phase["seconds"] / self.rest["seconds"]
        commands = answers = 0.0
        for command, row in rows.items():
            if command.startswith(_EMBEDDED_ONLY):
                continue
            old = before.get(command, [0, 0])
            commands += max(0.0, row[0] - scale * old[0])
            mean = row[1] / row[0]
            answers += max(0.0, row[0] - scale * old[0]) * mean
        return _Seen(
            self._cpu_s(name, phase) * 1000 / signals, commands / signals, answers / signals
        )

    def _cpu_s(self, name: str, phase: Mapping[str, Any]) -> float:
        scale = phase["seconds"] / self.rest["seconds"]
        return max(0.0, float(phase["cpu_s"][name]) - scale * float(self.rest["cpu_s"][name]))

    def _database_ms(self, name: str, phase: Mapping[str, Any]) -> float:
        """The database's CPU for what this process asks about a signal."""
        every = {each: self._seen(each, phase).answers_ms for each in (*ON_THE_ROAD, *_BESIDE)}
        whole = self._cpu_s("mongodb", phase) * 1000 / phase["signals"]
        return whole * every[name] / sum(every.values())

    def _share_of_books(self, phase: Mapping[str, Any]) -> float:
        rows = phase["commands"]["execution"]
        books = sum(row[1] for name, row in rows.items() if name.split()[1] in _BOOKS)
        shared = sum(row[1] for name, row in rows.items() if " ".join(name.split()[:2]) in _SHARED)
        return float((books + shared / 2) / sum(row[1] for row in rows.values()))


def _line(few: int, low: float, many: int, high: float) -> tuple[float, float]:
    """Fixed and each, of two numbers of accounts."""
    each = max(0.0, (high - low) / (many - few))
    return max(0.0, low - few * each), each


def _fit(sizes: Sequence[float], costs: tuple[float, float]) -> tuple[float, float]:
    """Fixed and each, of costs per message at two sizes of batch: cost = fixed / size + each."""
    low, high = costs
    apart = 1 / sizes[0] - 1 / sizes[1]
    if apart < 0.1:  # batches of one size tell nothing of what is shared
        return 0.0, low
    fixed = min(max(0.0, (low - high) / apart), low * sizes[0])
    return fixed, max(0.0, low - fixed / sizes[0])


def _part(work: Work, share: float) -> Work:
    cpu, commands, database = ((share * a, share * b) for a, b in work[:3])
    return work._replace(cpu_ms=cpu, commands=commands, database_ms=database)
