"""Switches and overrides as people look at them and set them."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from services.common.clock import utc_now
from services.common.controls import controls, set_control
from services.common.kills import end_released
from services.common.problems import Refusal
from services.common.signed import Signed
from services.common.store import Store
from services.domain.risk import Control, scope_in_words
from services.domain.values import Frozen, Instant, Share
from services.domain.words import Override, Scope, TradingState

#: What a person types to release a HALT, or the switch of everything.
RESUME: Final = "RESUME"


class ControlChange(Frozen):
    """What is to be otherwise; None stays."""

    trading_state: TradingState | None = None
    override: Override | None = None
    scale_ratio: Share | None = None
    expires_at: Instant | None = None
    confirm: str = ""


class ControlView(Control):
    """A control as it holds.

    Attributes:
        effective_state: the stricter of switch and override: what counts.
        where: the scope in words.
        ended_runs: kill runs that this release has ended.
    """

    effective_state: TradingState = Field(TradingState.ACTIVE)
    where: str = ""
    ended_runs: tuple[str, ...] = ()


def views(store: Store) -> list[ControlView]:
    """Every control that is stored, that of everything first."""
    return [view_of(each) for each in controls(store)]


def set_by_person(
    store: Store, place: tuple[Scope, str], change: ControlChange, signed: Signed
) -> ControlView:
    """Set a control; a release ends the kill runs of its scope.

    Raises:
        Refusal (409): it releases a HALT, or everything, and the word was not typed.
        ConfigurationError, TransientError: as `set_control`.
    """
    scope, scope_id = place[0], "" if place[0] is Scope.GLOBAL else place[1]
    if change.trading_state is not None:
        _check_typed(store, (scope, scope_id), change.trading_state, change.confirm)
    control = set_control(
        store,
        scope,
        scope_id,
        by=signed.by,
        reason=signed.reason,
        **change.model_dump(exclude={"confirm"}),
    )
    released = change.trading_state is TradingState.ACTIVE
    ended = end_released(store, control) if released else []
    return view_of(control).model_copy(update={"ended_runs": tuple(ended)})


def _check_typed(store: Store, place: tuple[Scope, str], state: TradingState, typed: str) -> None:
    before = next(
        (each.trading_state for each in controls(store) if (each.scope, each.scope_id) == place),
        TradingState.ACTIVE,
    )
    releases = state is not TradingState.HALTED and before is TradingState.HALTED
    everything = place[0] is Scope.GLOBAL and state is TradingState.ACTIVE
    if (releases or (everything and before is not state)) and typed.strip().upper() != RESUME:
        where = scope_in_words(*place)
        sentence = f"{where} is {before} and would be {state}: type {RESUME} as confirm"
        raise Refusal(409, "CONFIRMATION_MISSING", sentence, field="confirm")


def view_of(control: Control) -> ControlView:
    """A control as it holds now."""
    now = control.at(utc_now())
    return ControlView(
        **now.model_dump(),
        effective_state=now.state,
        where=scope_in_words(now.scope, now.scope_id),
    )
