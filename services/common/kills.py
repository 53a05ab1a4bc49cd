"""Kill runs as they are stored: requested by a person, worked on by desks, proven by the broker.

The switch and the run are one transaction, so that nothing new can leave before the first cancel.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pymongo import DESCENDING
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.controls import controls, set_trading_state
from services.common.incidents import clear_incident, raise_incident
from services.common.scopes import check_exists, check_signed, plain_scope_id
from services.common.store import Document, Store, from_document, to_document
from services.domain.errors import ConfigurationError, TransientError
from services.domain.kills import AccountKill, KillRun, KillStage, RunState
from services.domain.risk import Control, scope_key
from services.domain.values import Frozen
from services.domain.words import Scope, TradingState

INCOMPLETE_INCIDENT: Final = "KILL_INCOMPLETE"
_LISTED: Final = 50


class ConfirmationMissing(ConfigurationError):
    """What was asked for takes much away, or releases something: it wants a second yes."""


class KillRequest(Frozen):
    """What a person asks for.

    Attributes:
        confirmed: they have said yes twice.
    """

    scope: Scope
    scope_id: str = ""
    stage: KillStage
    by: str
    reason: str
    confirmed: bool = False


def request_kill(store: Store, asked: KillRequest, *, timeout_seconds: float) -> KillRun:
    """Set the switch and start a run; runs of the same scope that do no more than it end.

    CANCEL and FLATTEN leave a HALTED scope halted: closing orders of a run go out all the same.

    Args:
        store: where both are kept, with the audit log, in one transaction.
        asked: by whom, and what.
        timeout_seconds: until it is INCOMPLETE.

    Raises:
        ConfirmationMissing: it wants a second yes.
        ConfigurationError: no such scope, or nobody and no reason named.
        TransientError: the database does not answer, or somebody set the switch at the same time.
    """
    check_signed(asked.by, asked.reason)
    asked = asked.model_copy(
        update={
            "scope_id": plain_scope_id(asked.scope, asked.scope_id),
            "by": asked.by.strip(),
            "reason": asked.reason.strip(),
        }
    )
    run_id = f"kill_{uuid.uuid4().hex[:16]}"
    timeout = timedelta(seconds=timeout_seconds)
    try:
        run, superseded = store.transaction(
            lambda session: _request(store, asked, (run_id, timeout), session)
        )
    except DuplicateKeyError as error:
        raise TransientError("somebody else set this switch at the same time: look") from error
    for each in superseded:
        clear_incident(store, kind=INCOMPLETE_INCIDENT, key=each)
    return run


def _request(
    store: Store, asked: KillRequest, made: tuple[str, timedelta], session: ClientSession
) -> tuple[KillRun, list[str]]:
    run_id, timeout = made
    place = (asked.scope, asked.scope_id)
    check_exists(store, *place, session)
    before = _switch(controls(store, session), scope_key(*place))
    _check_confirmed(asked, before)
    # A HALT keeps the name and the reason of whoever set it.
    if asked.stage is KillStage.REDUCE or before is not TradingState.HALTED:
        signed = {"by": asked.by, "reason": asked.reason}
        set_trading_state(store, place, TradingState.REDUCING, session, **signed)
    now = utc_now()
    run = KillRun(
        run_id=run_id,
        **asked.model_dump(exclude={"confirmed"}),
        requested_at=now,
        due_at=now + timeout,
        accounts=tuple(AccountKill(account_id=each) for each in _reach(store, asked, session)),
    )
    if not run.accounts:
        run = run.model_copy(update={"state": RunState.DONE, "ended_at": now})
    superseded = _end(
        store,
        {
            "scope": asked.scope,
            "scope_id": asked.scope_id,
            "stage": {"$in": [each for each in KillStage if each.rank <= asked.stage.rank]},
        },
        (RunState.SUPERSEDED, f"superseded by {run_id} of {asked.by}"),
        session,
    )
    start_run(store, run, session)
    facts = {
        **asked.model_dump(),
        "run_id": run_id,
        "superseded": superseded,
        "before": {"trading_state": before},
        "after": {"stage": asked.stage},
    }
    audit(store, "KILL_REQUESTED", service="operator", by=asked.by, facts=facts, session=session)
    return run, superseded


def _switch(found: Sequence[Control], key: str) -> TradingState:
    """The switch of one scope alone; nothing said counts as ACTIVE."""
    states = [each.trading_state for each in found if each.key == key]
    return states[0] if states else TradingState.ACTIVE


def _check_confirmed(asked: KillRequest, before: TradingState) -> None:
    if asked.confirmed:
        return
    everything = asked.scope is Scope.GLOBAL
    if asked.stage is KillStage.FLATTEN:
        raise ConfirmationMissing("flatten closes positions at any price: it wants a second yes")
    if asked.stage is KillStage.CANCEL and everything:
        raise ConfirmationMissing("all working orders would be canceled: it wants a second yes")
    if asked.stage is KillStage.REDUCE and before is TradingState.HALTED:
        raise ConfirmationMissing("HALTED would become REDUCING: it wants a second yes")


def _reach(store: Store, asked: KillRequest, session: ClientSession) -> list[str]:
    """Accounts that a run has to look at: those that trade, and those where something is left."""
    if asked.stage is KillStage.REDUCE:
        return []
    if asked.scope is Scope.ACCOUNT:
        return [asked.scope_id]
    found: set[str] = set()
    query: Document = {}
    if asked.scope is Scope.STRATEGY:
        query = {"strategy_id": asked.scope_id}
        strategy = store["strategies"].find_one({"_id": asked.scope_id}, session=session) or {}
        found |= {each["account_id"] for each in strategy.get("accounts", ())}
    else:
        active = store["trading_accounts"].find({"status": "ACTIVE"}, {"_id": 1}, session=session)
        found |= {str(row["_id"]) for row in active}
    for collection, left in (("orders", "working"), ("positions", "open")):
        rows = store[collection].find({left: True, **query}, {"account_id": 1}, session=session)
        found |= {row["account_id"] for row in rows}
    return sorted(found)


def start_run(store: Store, run: KillRun, session: ClientSession) -> None:
    """Put a run where the desks of its accounts find it."""
    store["kill_runs"].insert_one(_document(run), session=session)


def _document(run: KillRun) -> Document:
    ended = run.state not in {RunState.RUNNING, RunState.INCOMPLETE}
    return {"_id": run.run_id, **to_document(run), **({} if ended else {"open": True})}


def kill_run(store: Store, run_id: str, session: ClientSession | None = None) -> KillRun | None:
    """One run; None = there is none of that id."""
    found = store["kill_runs"].find_one({"_id": run_id}, session=session)
    return from_document(KillRun, found) if found else None


def run_of_line(store: Store, line: Document) -> KillRun:
    """The run that a line of the audit log tells of, as far as it is now."""
    run = kill_run(store, line["facts"]["run_id"])
    if run is None:  # runs are never removed
        raise ConfigurationError(f"there is no kill run {line['facts']['run_id']!r}")
    return run.at(utc_now())


def kill_runs(store: Store, *, limit: int = _LISTED) -> list[KillRun]:
    """The latest runs, newest first."""
    found = store["kill_runs"].find({}).sort("requested_at", DESCENDING).limit(limit)
    return [from_document(KillRun, row) for row in found]


def open_runs(store: Store, account_id: str) -> list[KillRun]:
    """Runs that this account still has to work on, oldest first."""
    found = store["kill_runs"].find({"open": True, "accounts.account_id": account_id})
    return sorted((from_document(KillRun, row) for row in found), key=lambda run: run.requested_at)


def save_account(
    store: Store, run_id: str, account: AccountKill, *, now: datetime
) -> AccountKill | None:
    """Keep what a desk has done; the run ends with the last account that is proven.

    Returns: what is kept; None, with nothing written, where the run has ended meanwhile, or another
        desk has worked on the account since `account` was read.
    """
    found = store.transaction(lambda session: _save(store, run_id, account, now, session))
    if found is None:
        return None
    before, after = found
    _tell(store, before, after)
    return after.account(account.account_id)


def _save(
    store: Store, run_id: str, account: AccountKill, now: datetime, session: ClientSession
) -> tuple[KillRun, KillRun] | None:
    row = store["kill_runs"].find_one({"_id": run_id, "open": True}, session=session)
    if row is None:
        return None
    before = from_document(KillRun, row)
    known = before.account(account.account_id)
    if known is None or known.looks != account.looks:
        return None
    looked = account.model_copy(update={"looks": account.looks + 1})
    after = before.with_account(looked).at(now)
    if after.state is RunState.DONE:
        after = after.model_copy(update={"ended_at": now})
    store["kill_runs"].replace_one({"_id": run_id}, _document(after), session=session)
    return before, after


def note_overdue(store: Store, run: KillRun, now: datetime) -> None:
    """Make a run INCOMPLETE that is not proven in time, also where no desk works on it."""

    def work(session: ClientSession) -> tuple[KillRun, KillRun] | None:
        found = kill_run(store, run.run_id, session)
        if found is None or found.at(now) == found:
            return None
        late = found.at(now)
        store["kill_runs"].replace_one({"_id": run.run_id}, _document(late), session=session)
        return found, late

    changed = store.transaction(work)
    if changed is not None:
        _tell(store, *changed)


def _tell(store: Store, before: KillRun, after: KillRun) -> None:
    """Open, renew or close the incident of a run that did not end in time."""
    if after.state is RunState.DONE:
        clear_incident(store, kind=INCOMPLETE_INCIDENT, key=after.run_id)
    elif after.state is RunState.INCOMPLETE and _left(before) != _left(after):
        left = _left(after)
        raise_incident(
            store,
            kind=INCOMPLETE_INCIDENT,
            key=after.run_id,
            sentence=f"{after.in_words} by {after.by} is not proven: {'; '.join(left)}",
            facts={"remaining": left, **_of_scope(after)},
        )


def _of_scope(run: KillRun) -> Document:
    names = {Scope.ACCOUNT: "account_id", Scope.STRATEGY: "strategy_id"}
    return {names[run.scope]: run.scope_id} if run.scope in names else {}


def _left(run: KillRun) -> list[str]:
    if run.state is not RunState.INCOMPLETE:
        return []
    return [
        f"{account.account_id}: {each.what}: {each.why}"
        for account in run.accounts
        for each in account.remaining
    ]


def abandon(store: Store, run_id: str, *, by: str, reason: str) -> KillRun:
    """End a run that is not done; the switch stays as it is.

    Raises:
        ConfigurationError: there is no such run, or it has ended.
        TransientError: the database does not answer.
    """
    check_signed(by, reason)
    signed = (by.strip(), reason.strip())

    def work(session: ClientSession) -> KillRun:
        run = kill_run(store, run_id, session)
        if run is None:
            raise ConfigurationError(f"there is no kill run {run_id!r}")
        why = f"abandoned by {signed[0]}: {signed[1]}"
        if not _end(store, {"_id": run_id}, (RunState.ABANDONED, why), session):
            raise ConfigurationError(f"{run_id} has ended: it is {run.state}")
        facts = {"run_id": run_id, "reason": signed[1]}
        audit(
            store, "KILL_ABANDONED", service="operator", by=signed[0], facts=facts, session=session
        )
        return run.model_copy(update={"state": RunState.ABANDONED, "why": why})

    run = store.transaction(work)
    clear_incident(store, kind=INCOMPLETE_INCIDENT, key=run_id)
    return run


def abandon_released(store: Store, run: KillRun, control: Control | None) -> None:
    """End a run whose switch a person has released: it may not cancel what goes again."""
    who = control.in_words if control else run.in_words
    why = f"the switch was released: {who}"

    def work(session: ClientSession) -> list[str]:
        return _end(store, {"_id": run.run_id}, (RunState.ABANDONED, why), session)

    if store.transaction(work):
        clear_incident(store, kind=INCOMPLETE_INCIDENT, key=run.run_id)


def end_released(store: Store, control: Control) -> list[str]:
    """End every run of a scope whose switch was released; returns which."""
    # What closes one position has set no switch, and goes on.
    query = {
        "open": True,
        "scope": control.scope,
        "scope_id": control.scope_id,
        "position": None,
    }
    runs = [from_document(KillRun, row) for row in store["kill_runs"].find(query)]
    for run in runs:
        abandon_released(store, run, control)
    return [run.run_id for run in runs]


def _end(
    store: Store, query: Document, how: tuple[RunState, str], session: ClientSession
) -> list[str]:
    """End open runs without a proof; returns which."""
    rows = store["kill_runs"].find({"open": True, **query}, {"_id": 1}, session=session)
    ended = [str(row["_id"]) for row in rows]
    for run_id in ended:
        changes = {"state": how[0], "why": how[1], "ended_at": utc_now()}
        store["kill_runs"].update_one(
            {"_id": run_id}, {"$set": changes, "$unset": {"open": ""}}, session=session
        )
    return ended
