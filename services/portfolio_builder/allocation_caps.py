"""Caps of strategies and groups: set by a person, kept by every approval from then on."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.problems import Refusal
from services.portfolio_builder.allocation_rules import Caps
from services.portfolio_builder.allocation_service import check_reason
from services.portfolio_builder.allocation_store import AllocationStore


class AllocationCaps:
    """What an admin does with caps."""

    def __init__(self, store: AllocationStore) -> None:
        self._store = store

    def current(self) -> tuple[int, Caps]:
        """Caps of strategies and groups, and their version."""
        return self._store.caps()

    def set(self, caps: Caps, *, version: int, by: str, reason: str) -> tuple[int, Caps]:
        """Replace all caps. What is approved already stays; the next approval must keep them.

        Raises:
            Refusal: a strategy is unknown, or the caps are not at `version` any more.
        """
        check_reason(reason)
        named = {each.strategy_id for each in caps.strategies}
        named |= {name for group in caps.groups for name in group.strategy_ids}

        def work(session: ClientSession) -> tuple[int, Caps]:
            held, before = self._store.caps(session)
            if held != version:
                sentence = f"the caps are at version {held}, these were made against {version}"
                raise Refusal(409, "CAPS_MOVED", sentence, field="version")
            unknown = sorted(named - self._store.known(named, session).keys())
            if unknown:
                sentence = f"there is no strategy named {', '.join(map(repr, unknown[:10]))}"
                raise Refusal(422, "CAPS_REFUSED", sentence)
            document = {
                **caps.model_dump(),
                "version": version + 1,
                "set_by": by,
                "set_at": utc_now(),
                "reason": reason.strip(),
            }
            self._store.replace_caps(document, session)
            facts = {"before": before.model_dump(), "after": document}
            self._store.audit("ALLOCATION_CAPS_SET", by=by, facts=facts, session=session)
            return version + 1, caps

        return self._store.transaction(work)
