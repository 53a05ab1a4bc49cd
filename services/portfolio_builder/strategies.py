"""Strategies as people keep them: created, changed under a version, archived, never deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.limits import limit_sets, set_limits
from services.common.problems import Refusal
from services.common.scopes import check_signed, faults_of
from services.common.store import Document, Store, from_document
from services.domain.errors import ConfigurationError
from services.domain.risk import LimitSet, scope_key
from services.domain.values import Frozen
from services.domain.words import AccountType, ActiveStatus, Scope, StrategyMode
from services.portfolio_builder.strategy_store import StrategyStore
from services.portfolio_builder.strategy_terms import (
    SETTABLE,
    StrategySheet,
    StrategyView,
    fault_of_id,
    warnings_of,
)

_SERVICE: Final = "portfolio_builder"
_LISTED: Final = 5


class Unreadable(Frozen):
    """A stored strategy that cannot be read; Cerebro cannot read it either."""

    strategy_id: str
    sentence: str


class StrategyList(Frozen):
    """All strategies that can be read, and those that cannot."""

    strategies: tuple[StrategyView, ...]
    unreadable: tuple[Unreadable, ...] = ()


class Strategies:
    """What people do with strategies; each change is one transaction, and in the audit log."""

    def __init__(self, store: Store) -> None:
        self._plain = store
        self._store = StrategyStore(store)

    def all(self, *, archived: bool = False) -> StrategyList:
        """Every strategy; those that are archived only where they are asked for."""
        surroundings = self._surroundings()
        seen, unreadable = [], []
        for row in self._store.rows(archived=archived):
            try:
                seen.append(_view(row, *surroundings))
            except ValidationError as error:
                broken = Unreadable(strategy_id=str(row["_id"]), sentence=faults_of(error))
                unreadable.append(broken)
        return StrategyList(strategies=tuple(seen), unreadable=tuple(unreadable))

    def one(self, strategy_id: str) -> StrategyView:
        """One strategy. Raises: Refusal (404)."""
        row = self._existing(strategy_id)
        return _view(row, *self._surroundings())

    def create(self, fields: Mapping[str, Any], *, by: str, reason: str) -> StrategyView:
        """Make a strategy of the named fields, the rest as by default; without credentials.

        Raises: Refusal: the id is taken or none, or a field is wrong.
        """
        strategy_id = str(fields.get("strategy_id", ""))
        fault = fault_of_id(strategy_id)
        if fault:
            raise Refusal(422, "BAD_STRATEGY_ID", fault, field="strategy_id")
        _signed(by, reason)
        sheet = _checked(fields)
        now = utc_now()
        row = {
            "_id": strategy_id,
            **sheet.model_dump(exclude_unset=True),
            "status": sheet.status,
            "name": sheet.name or strategy_id,
            "credentials": [],
            "version": 1,
            **{"created_at": now, "created_by": by, "updated_at": now, "updated_by": by},
        }

        def work(session: ClientSession) -> None:
            self._check_accounts(sheet, session)
            self._store.insert(row, session)
            facts = {"strategy": strategy_id, "reason": reason, "after": sheet.model_dump()}
            self._audit("STRATEGY_CREATED", by, facts, session)

        try:
            self._plain.transaction(work)
        except DuplicateKeyError as error:
            sentence = f"there is a strategy {strategy_id!r} already"
            raise Refusal(409, "STRATEGY_EXISTS", sentence, field="strategy_id") from error
        return self.one(strategy_id)

    def change(
        self,
        strategy_id: str,
        changes: Mapping[str, Any],
        *,
        version: int | None,
        by: str,
        reason: str,
    ) -> StrategyView:
        """Set the named fields, all or none; what is not named stays.

        Args:
            strategy_id: whose.
            changes: by name; None takes one back to its default.
            version: that was looked at; None = whichever it is, for a person at a terminal.
            by: who.
            reason: why.

        Raises: Refusal: unknown, archived, changed meanwhile, or the result would not be valid.
        """
        _signed(by, reason)
        unknown = sorted(changes.keys() - set(SETTABLE))
        if unknown:
            sentence = f"strategy has no field {unknown[0]!r} to set; there are "
            raise Refusal(422, "UNKNOWN_FIELD", sentence + ", ".join(SETTABLE), field=unknown[0])

        def work(session: ClientSession) -> None:
            row = self._existing(strategy_id, session)
            _check_version(row, version)
            if row.get("archived_at") is not None:
                sentence = f"strategy {strategy_id} is archived: restore it before changing it"
                raise Refusal(409, "STRATEGY_ARCHIVED", sentence)
            self._set(row, changes, {"by": by, "reason": reason}, session)

        self._plain.transaction(work)
        return self.one(strategy_id)

    def _set(
        self,
        row: Document,
        changes: Mapping[str, Any],
        signed: Mapping[str, str],
        session: ClientSession,
    ) -> None:
        kept = {name: value for name, value in row.items() if name not in changes}
        kept["strategy_id"] = row["_id"]
        wanted = kept | {name: value for name, value in changes.items() if value is not None}
        sheet = _checked(
            {name: wanted[name] for name in wanted if name in StrategySheet.model_fields}
        )
        if "accounts" in changes:
            self._check_accounts(sheet, session)
        after = sheet.model_dump(include=set(changes))
        update = {name: after[name] for name in changes if name in wanted}
        removed = {name: "" for name in changes if name not in wanted}
        self._save(row, update, removed, signed["by"], session)
        facts = {
            "strategy": row["_id"],
            "reason": signed["reason"],
            "before": {name: row.get(name) for name in changes},
            "after": {name: update.get(name) for name in changes},
        }
        self._audit("CONFIGURED", signed["by"], facts, session)
        if sheet.mode is StrategyMode.LIVE and row.get("mode") != StrategyMode.LIVE:
            self._audit("STRATEGY_WENT_LIVE", signed["by"], facts, session)

    def archive(
        self, strategy_id: str, *, version: int | None, by: str, reason: str
    ) -> StrategyView:
        """Take a strategy out of use; its history stays.

        Raises: Refusal: it holds something, has orders under way, or an allocation.
        """
        _signed(by, reason)

        def work(session: ClientSession) -> None:
            row = self._existing(strategy_id, session)
            _check_version(row, version)
            if row.get("archived_at") is not None:
                return
            self._store.hold_allocation(session)
            self._check_unused(strategy_id, session)
            update = {"status": ActiveStatus.INACTIVE, "archived_at": utc_now()}
            self._save(row, update, {}, by, session)
            facts = {"strategy": strategy_id, "reason": reason}
            self._audit("STRATEGY_ARCHIVED", by, facts, session)

        self._plain.transaction(work)
        return self.one(strategy_id)

    def restore(
        self, strategy_id: str, *, version: int | None, by: str, reason: str
    ) -> StrategyView:
        """Take an archived strategy into use again; INACTIVE until somebody sets it ACTIVE."""
        _signed(by, reason)

        def work(session: ClientSession) -> None:
            row = self._existing(strategy_id, session)
            _check_version(row, version)
            if row.get("archived_at") is None:
                return
            self._save(row, {}, {"archived_at": ""}, by, session)
            facts = {"strategy": strategy_id, "reason": reason}
            self._audit("STRATEGY_RESTORED", by, facts, session)

        self._plain.transaction(work)
        return self.one(strategy_id)

    def set_limits(
        self, strategy_id: str, changes: Mapping[str, object], *, by: str, reason: str
    ) -> LimitSet:
        """Set or remove limits of a strategy. Raises: Refusal, TransientError."""
        self._existing(strategy_id)
        try:
            return set_limits(
                self._plain, Scope.STRATEGY, strategy_id, changes, by=by, reason=reason
            )
        except ConfigurationError as error:
            raise Refusal(422, "BAD_LIMITS", str(error), field="limits") from error

    def _existing(self, strategy_id: str, session: ClientSession | None = None) -> Document:
        row = self._store.row(strategy_id, session)
        if row is None:
            sentence = f"there is no strategy named {strategy_id!r}"
            raise Refusal(404, "UNKNOWN_STRATEGY", sentence)
        return row

    def _surroundings(self) -> tuple[dict[str, Any], dict[str, LimitSet], dict[str, AccountType]]:
        limits = {each.key: each for each in limit_sets(self._plain)}
        types = {
            name: AccountType.LIVE if kind == AccountType.LIVE else AccountType.PAPER
            for name, kind in self._store.account_types().items()
        }
        return self._store.ratios(), limits, types

    def _check_accounts(self, sheet: StrategySheet, session: ClientSession) -> None:
        known = self._store.account_types(session)
        for each in sheet.accounts:
            if each.account_id not in known:
                some = ", ".join(sorted(known)[:_LISTED]) or "none"
                sentence = f"there is no account named {each.account_id!r}; there are: {some}"
                raise Refusal(422, "UNKNOWN_ACCOUNT", sentence, field="accounts")

    def _check_unused(self, strategy_id: str, session: ClientSession) -> None:
        reasons = []
        held = self._store.open_positions(strategy_id, session)
        if held:
            some = ", ".join(
                f"{row['quantity']} {row['instrument_key']} in {row['account_id']}"
                for row in held[:_LISTED]
            )
            reasons.append(f"it holds {some}")
        working = self._store.working_orders(strategy_id, session)
        if working:
            some = ", ".join(working[:_LISTED])
            reasons.append(f"{len(working)} orders of it are under way ({some})")
        ratio = self._store.ratios(session).get(strategy_id)
        if ratio:
            reasons.append(f"{ratio} of equity is allocated to it: approve 0 first")
        if reasons:
            sentence = f"strategy {strategy_id} cannot be archived: {'; '.join(reasons)}"
            raise Refusal(409, "STRATEGY_IN_USE", sentence)

    def _save(
        self,
        row: Document,
        values: Document,
        removed: Document,
        by: str,
        session: ClientSession,
    ) -> None:
        signed = {"version": row.get("version", 0) + 1, "updated_at": utc_now(), "updated_by": by}
        update: Document = {"$set": {**values, **signed}}
        if removed:
            update["$unset"] = removed
        if not self._store.update(row, update, session):
            raise _moved(self._existing(str(row["_id"]), session), row.get("version", 0))

    def _audit(self, what: str, by: str, facts: Document, session: ClientSession) -> None:
        audit(self._plain, what, service=_SERVICE, by=by, facts=facts, session=session)


def _view(
    row: Document,
    ratios: Mapping[str, Any],
    limits: Mapping[str, LimitSet],
    account_types: Mapping[str, AccountType],
) -> StrategyView:
    strategy_id = str(row["_id"])
    view = from_document(StrategyView, {"strategy_id": strategy_id, **row})
    ratio = ratios.get(strategy_id)
    said = warnings_of(
        view,
        account_types=account_types,
        allocation_ratio=ratio,
        credentials=view.credentials,
    )
    around = {
        "name": view.name or strategy_id,
        "allocation_ratio": ratio,
        "limits": limits.get(scope_key(Scope.STRATEGY, strategy_id)),
        "warnings": said,
    }
    return view.model_copy(update=around)


def _checked(fields: Mapping[str, Any]) -> StrategySheet:
    try:
        return StrategySheet.model_validate(dict(fields))
    except ValidationError as error:
        wrong = str(error.errors()[0]["loc"][0]) if error.errors()[0]["loc"] else ""
        raise Refusal(422, "BAD_STRATEGY", faults_of(error), field=wrong) from error


def _signed(by: str, reason: str) -> None:
    try:
        check_signed(by, reason)
    except ConfigurationError as error:
        raise Refusal(422, "REASON_MISSING", str(error), field="reason") from error


def _check_version(row: Document, version: int | None) -> None:
    if version is not None and row.get("version", 0) != version:
        raise _moved(row, version)


def _moved(row: Document, version: int) -> Refusal:
    at = row.get("updated_at")
    who = f", changed by {row.get('updated_by')} at {at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
    sentence = (
        f"strategy {row['_id']} is at version {row.get('version', 0)}{who}, not at {version}: "
        "look at it again"
    )
    return Refusal(409, "VERSION_CONFLICT", sentence, field="version")
