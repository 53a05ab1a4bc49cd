"""Ever longer stretches of time, for whoever looks for the latest of something.

The embedded database reads everything that a query matches before it gives the latest of it, and of
the fields of an index it uses a time only where the query asks for no other field than the index
has. Whatever else is wanted of the rows is asked of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from services.common.store import Document

#: From 5 s to 97 days, each six times the one before: little is read that is much older than what
#: is found.
_BACK: Final = tuple(timedelta(seconds=5 * 6**power) for power in range(9))


def back_from(moment: datetime, *, later_too: bool = False) -> Iterator[Document]:
    """Conditions on a time, the latest stretch first; together they are all of it, once.

    Args:
        moment: where it begins, itself included.
        later_too: the first stretch has what is later, as well.
    """
    until: Document = {} if later_too else {"$lte": moment}
    for back in _BACK:
        begin = moment - back
        yield {"$gte": begin, **until}
        until = {"$lt": begin}
    yield until
