"""Limits as they are stored: what cannot be read stops entries, and every change is signed."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.scopes import (
    check_is_limitable,
    check_signed,
    check_storable,
    faults_of,
    plain_scope_id,
    scope_of_row,
)
from services.common.store import Document, Store
from services.domain.errors import ConfigurationError, TransientError
from services.domain.risk import LimitSet, TradingHours, scope_in_words, scope_key
from services.domain.words import Scope

_log = logging.getLogger(__name__)
_ABOUT_THE_ROW: Final = frozenset(
    {"scope", "scope_id", "version", "reason", "set_by", "set_at"},
)
#: Names of everything that can be limited, in the order of the model.
LIMIT_NAMES: Final = tuple(name for name in LimitSet.model_fields if name not in _ABOUT_THE_ROW)
#: What is kept of one scope only, and can be limited of nothing else.
OF_ONE_SCOPE: Final = {
    "max_consecutive_losses": Scope.STRATEGY,
    "max_entries": Scope.STRATEGY,
    "contention_policy": Scope.ACCOUNT,
    "contention_window_seconds": Scope.ACCOUNT,
}


class Outdated(ConfigurationError):
    """Somebody has set these limits since they were looked at."""


def limit_sets(store: Store, session: ClientSession | None = None) -> tuple[LimitSet, ...]:
    """The limits of every scope that has some.

    Of a scope whose limits cannot be read, nothing may be entered: its set is `restricted`. Where
    not even the scope can be read, that is everything.

    Raises: PyMongoError while the database does not answer.
    """
    found: dict[str, LimitSet] = {}
    unreadable: dict[str, LimitSet] = {}
    for row in store["risk_limits"].find({}, session=session):
        try:
            scope_of_row(row)
            limits = _checked({name: row[name] for name in row if name != "_id"})
        except ConfigurationError as error:
            limits = _restricted(row, error)
            unreadable[limits.key] = limits
        else:
            found[limits.key] = limits
    return tuple((found | unreadable).values())


def _restricted(row: Document, error: ConfigurationError) -> LimitSet:
    try:
        scope, scope_id = scope_of_row(row)
    except ConfigurationError:
        scope, scope_id = Scope.GLOBAL, ""
    name = scope_in_words(scope, scope_id)
    reason = f"the stored limits of {row['_id']} cannot be read"
    _log.error("%s, so nothing may be entered for %s: %s", reason, name, error)
    return LimitSet(scope=scope, scope_id=scope_id, restricted=True, reason=reason)


def _checked(fields: Mapping[str, Any]) -> LimitSet:
    """Limits that make sense. Raises: ConfigurationError with all that is wrong."""
    try:
        limits = LimitSet.model_validate(fields)
    except ValidationError as error:
        raise ConfigurationError(faults_of(error)) from error
    check_storable(limits)
    if limits.trading_hours is not None:
        _check_hours(limits.trading_hours)
    start, end = limits.drawdown_governor_start_ratio, limits.drawdown_governor_end_ratio
    if end is not None and end <= start:
        raise ConfigurationError(
            f"drawdown_governor_end_ratio must be above drawdown_governor_start_ratio ({start}), "
            f"was {end}"
        )
    for name in sorted(OF_ONE_SCOPE.keys() & limits.model_fields_set):
        if limits.scope is not OF_ONE_SCOPE[name]:
            raise ConfigurationError(
                f"{name} is a limit of {OF_ONE_SCOPE[name]}, not of {limits.scope}"
            )
    return limits


def _check_hours(hours: TradingHours) -> None:
    try:
        ZoneInfo(hours.timezone)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"trading_hours.timezone must be an IANA name such as America/New_York, "
            f"was {hours.timezone!r}"
        ) from error
    if not hours.days or not set(hours.days) <= set(range(1, 8)):
        raise ConfigurationError(
            f"trading_hours.days must be some of 1 (Monday) to 7 (Sunday), was {hours.days}"
        )


def set_limits(  # noqa: PLR0913 - what, by whom, and what they had looked at
    store: Store,
    scope: Scope,
    scope_id: str,
    changes: Mapping[str, object],
    *,
    by: str,
    reason: str,
    version: int | None = None,
) -> LimitSet:
    """Set or remove limits of one scope; what is not named stays.

    Args:
        store: where they are kept; the audit log gets before and after in the same transaction.
        scope: what they are measured on.
        scope_id: which one; empty for GLOBAL, `*` for accounts that have none of their own.
        changes: by name of `LimitSet`; None removes it.
        by: who sets them.
        reason: why.
        version: that was looked at, 0 where there were none; None = whichever it is.

    Returns: all limits of the scope as they hold now.

    Raises:
        ConfigurationError: no such scope or limit, or a wrong value; a row that could not be read
            stays so until the changes mend all of it.
        Outdated: another version is stored than the one that was looked at.
        TransientError: the database does not answer, or somebody else set them at the same time.
    """
    check_signed(by, reason)
    scope_id = plain_scope_id(scope, scope_id)
    if not changes:
        raise ConfigurationError("nothing to set: name a limit")
    signature = {
        "scope": scope,
        "scope_id": scope_id,
        "reason": reason.strip(),
        "set_by": by.strip(),
    }
    try:
        return store.transaction(
            lambda session: _change(
                store, changes, {**signature, "set_at": utc_now()}, version, session
            )
        )
    except DuplicateKeyError as error:
        raise TransientError(_MEANWHILE) from error


_MEANWHILE: Final = "somebody else set these limits at the same time: look, and try again"


def _change(
    store: Store,
    changes: Mapping[str, object],
    signature: Document,
    looked_at: int | None,
    session: ClientSession,
) -> LimitSet:
    scope, scope_id = signature["scope"], signature["scope_id"]
    key = scope_key(scope, scope_id)
    row = store["risk_limits"].find_one({"_id": key}, session=session)
    if row is None:
        check_is_limitable(store, scope, scope_id, session)
    held = {name: value for name, value in (row or {}).items() if name != "_id"}
    number = held.get("version")
    if looked_at is not None and looked_at != (number or 0):
        who = f", set by {held['set_by']}" if held.get("set_by") else ""
        raise Outdated(f"these limits are at version {number or 0}{who}, not at {looked_at}")
    version = number + 1 if isinstance(number, int) else 1
    after = changed_limits(held, changes, {**signature, "version": version})
    document = after.model_dump(exclude_unset=True)
    if row is None:
        store["risk_limits"].insert_one({"_id": key, **document}, session=session)
    else:
        as_read = {"_id": key, "version": number}
        replaced = store["risk_limits"].replace_one(as_read, document, session=session)
        if not replaced.matched_count:
            raise TransientError(_MEANWHILE)
    facts = {"scope": scope, "scope_id": scope_id, "before": row and held, "after": document}
    audit(store, "LIMITS_SET", service="operator", by=after.set_by, facts=facts, session=session)
    return after


def changed_limits(
    held: Document, changes: Mapping[str, object], fields: Mapping[str, object]
) -> LimitSet:
    """Stored limits after a change.

    Args:
        held: as they are stored; empty where there are none.
        changes: by name; None removes one.
        fields: scope, version and signature.

    Raises: ConfigurationError: no such limit, or a wrong value.
    """
    _check_names(changes, held)
    wanted = {**held, **changes, **fields}
    return _checked({name: value for name, value in wanted.items() if value is not None})


def _check_names(changes: Mapping[str, object], held: Document) -> None:
    """A name that nobody knows can only be removed, from where it was found."""
    for name, value in changes.items():
        if name in LIMIT_NAMES or (value is None and name in held and name not in _ABOUT_THE_ROW):
            continue
        near = difflib.get_close_matches(name, LIMIT_NAMES, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(LIMIT_NAMES)}"
        raise ConfigurationError(f"there is no limit named {name!r}{hint}")
