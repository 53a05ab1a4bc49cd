"""The kill switch: read by whoever decides or sends; missing or unreadable means HALTED."""

from __future__ import annotations

import logging
from typing import Final

from pymongo.client_session import ClientSession

from services.common.store import Store
from services.domain.words import TradingState

_log = logging.getLogger(__name__)
GLOBAL_CONTROL: Final = "global"


def trading_state(store: Store, session: ClientSession | None = None) -> TradingState:
    """The state of trading now. Raises: PyMongoError while the database does not answer."""
    found = store["controls"].find_one({"_id": GLOBAL_CONTROL}, session=session)
    word = str((found or {}).get("trading_state"))
    if word not in TradingState.__members__:
        _log.error("the kill switch holds %r: trading counts as HALTED", word)
        return TradingState.HALTED
    return TradingState(word)
