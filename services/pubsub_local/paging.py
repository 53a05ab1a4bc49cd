"""Lists in pages and updates by field mask, the same for topics and subscriptions. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence, Set
from typing import TypeVar

from services.pubsub_local import validation
from services.pubsub_local.errors import invalid
from services.pubsub_local.wire import ProtoMessage

T = TypeVar("T")


def page(
    entries: Sequence[T], request: ProtoMessage, *, name_of: Callable[[T], str]
) -> tuple[Sequence[T], str]:
    """The page a list request asks for, and the token of the next; `entries` are sorted by name.

    The token is the last name shown, so a page stays right when others are created or deleted.
    """
    size = validation.page_size(request.page_size)
    first = bisect_right(entries, request.page_token, key=name_of) if request.page_token else 0
    shown = entries[first : first + size]
    more = first + size < len(entries)
    return shown, name_of(shown[-1]) if more else ""


def apply_mask(
    current: ProtoMessage, wanted: ProtoMessage, paths: Iterable[str], *, changeable: Set[str]
) -> ProtoMessage:
    """A copy of `current` with the fields `paths` names as they are in `wanted`.

    Raises:
        Refused: a path that does not exist or cannot be changed, or none.
    """
    changed = type(current)()
    changed.CopyFrom(current)
    fields = [path.partition(".")[0] for path in paths]
    if not fields:
        raise invalid("update_mask must name at least one field")
    for name in fields:
        if name not in changeable:
            raise invalid(f"update_mask must name {', '.join(sorted(changeable))}; was {name!r}")
        changed.ClearField(name)
    picked = type(current)()
    picked.CopyFrom(wanted)
    for descriptor, _ in wanted.ListFields():
        if descriptor.name not in fields:
            picked.ClearField(descriptor.name)
    changed.MergeFrom(picked)
    return changed
