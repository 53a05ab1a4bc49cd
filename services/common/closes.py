"""Closing what is held, because a person who has seen the figures says so.

It repeats what they saw, and is refused with the present figures where that has changed. One
position is closed by a kill run of its own, which sets no switch: the desk of its account cancels
the strategy's orders in it, closes what the broker and our books both hold, and has the broker
prove it. All of a strategy or an account is the FLATTEN of the kill switch.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.guards import exclude_others, make_guard
from services.common.kills import KillRequest, request_kill, start_run
from services.common.signed import Signed
from services.common.store import Document, Store, from_document
from services.domain.books import Position
from services.domain.errors import ConfigurationError
from services.domain.kills import AccountKill, ClosedPosition, KillRun, KillStage
from services.domain.orders import UNATTRIBUTED
from services.domain.signals import plain
from services.domain.values import Frozen, Positive
from services.domain.words import Scope, Side


class FiguresChanged(ConfigurationError):
    """What is held is not what the person saw; the sentence has the present figures."""


class SeenPosition(Frozen):
    """A position as a person saw it; `side` is that of the order that closes it."""

    strategy_id: str
    account_id: str
    instrument_key: str
    side: Side
    quantity: Positive

    @property
    def in_words(self) -> str:
        """What closing it does."""
        closing = f"{self.side} {plain(self.quantity)} {self.instrument_key}"
        return f"{closing} of {self.strategy_id} in {self.account_id}"


def close_position(
    store: Store, seen: SeenPosition, signed: Signed, *, timeout_seconds: float
) -> KillRun:
    """Close one position at market; entries of its strategy may follow, nothing is paused.

    Args:
        store: where the run is kept, with the audit log, in one transaction.
        seen: the position as the person saw it.
        signed: who wants it and why.
        timeout_seconds: until it is INCOMPLETE.

    Raises:
        FiguresChanged: another quantity, or nothing, is held now.
        ConfigurationError: it is being closed already, or is no strategy's.
        TransientError: the database does not answer.
    """
    signed = signed.checked()
    if seen.strategy_id == UNATTRIBUTED:
        raise ConfigurationError("this position is no strategy's: flatten its account")
    run_id = f"kill_{uuid.uuid4().hex[:16]}"
    make_guard(store, seen.account_id)

    def work(session: ClientSession) -> KillRun:
        exclude_others(store, [seen.account_id], session)
        mine = [
            each
            for each in _held(store, {"account_id": seen.account_id}, session)
            if (each.strategy_id, each.instrument.key) == (seen.strategy_id, seen.instrument_key)
        ]
        _check_seen([seen], mine)
        _check_not_closing(store, seen, session)
        now = utc_now()
        run = KillRun(
            run_id=run_id,
            scope=Scope.STRATEGY,
            scope_id=seen.strategy_id,
            position=ClosedPosition(
                account_id=seen.account_id,
                instrument_key=seen.instrument_key,
                symbol=mine[0].instrument.symbol,
            ),
            stage=KillStage.FLATTEN,
            by=signed.by,
            reason=signed.reason,
            requested_at=now,
            due_at=now + timedelta(seconds=timeout_seconds),
            accounts=(AccountKill(account_id=seen.account_id),),
        )
        start_run(store, run, session)
        facts = {
            **seen.model_dump(),
            "run_id": run_id,
            "before": {"quantity": mine[0].quantity},
            "after": {"quantity": Decimal(0)},
        }
        signed.record(store, "POSITION_CLOSE_REQUESTED", facts, session)
        return run

    return store.transaction(work)


def flatten(
    store: Store,
    place: tuple[Scope, str],
    seen: Sequence[SeenPosition],
    signed: Signed,
    *,
    timeout_seconds: float,
) -> KillRun:
    """Close everything of a strategy or an account, which stays without entries afterwards.

    Raises: as `close_position`; FiguresChanged where one position is not as it was seen.
    """
    signed = signed.checked()
    scope, scope_id = place
    query: Document = {"account_id": scope_id} if scope is Scope.ACCOUNT else {}
    held = _held(store, query)
    if scope is Scope.STRATEGY:
        held = [each for each in held if each.strategy_id == scope_id]
    _check_seen(seen, held)
    asked = KillRequest(
        scope=scope,
        scope_id=scope_id,
        stage=KillStage.FLATTEN,
        by=signed.by,
        reason=signed.reason,
        confirmed=True,
    )
    return request_kill(store, asked, timeout_seconds=timeout_seconds)


def _held(store: Store, query: Document, session: ClientSession | None = None) -> list[Position]:
    rows = store["positions"].find({"open": True, **query}, session=session)
    found = [from_document(Position, row) for row in rows]
    return [each for each in found if each.quantity]


def _check_seen(seen: Iterable[SeenPosition], held: Iterable[Position]) -> None:
    present = [_seen(each) for each in held]
    if sorted(map(_figures, seen)) != sorted(map(_figures, present)):
        words = "; ".join(each.in_words for each in present) or "nothing"
        raise FiguresChanged(f"what is held has changed; to be closed now: {words}")
    if not present:
        raise FiguresChanged("nothing is held")


def _seen(position: Position) -> SeenPosition:
    return SeenPosition(
        strategy_id=position.strategy_id,
        account_id=position.account_id,
        instrument_key=position.instrument.key,
        side=position.closing_side,
        quantity=abs(position.quantity),
    )


def _figures(each: SeenPosition) -> tuple[str, ...]:
    # 10 and 10.0 are the same figure.
    quantity = f"{each.quantity.normalize():f}"
    return each.strategy_id, each.account_id, each.instrument_key, each.side, quantity


def _check_not_closing(store: Store, seen: SeenPosition, session: ClientSession) -> None:
    place = (seen.strategy_id, seen.account_id, seen.instrument_key)
    for row in store["kill_runs"].find({"open": True}, session=session):
        run = from_document(KillRun, row)
        only = run.position
        if only and (run.scope_id, only.account_id, only.instrument_key) == place:
            raise ConfigurationError(f"it is being closed already, by {run.by}: run {run.run_id}")
