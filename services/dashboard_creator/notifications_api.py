"""HTTP of a person's own notifications: history, what they want to be told of, and by which way."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field

from services.common.callers import Caller, allow
from services.common.clock import utc_now
from services.common.notification_channels import (
    add_apprise,
    channels_of,
    remove,
    start_link,
    telegram_channel_id,
)
from services.common.notifications import (
    MOST_COUNTED,
    mark_read,
    page,
    save_settings,
    send_test,
    settings_of,
    unread_count,
)
from services.common.outward import Network
from services.common.problems import Refusal, problem_responses
from services.common.store import Document, Store
from services.common.vault import Vault
from services.domain.errors import Declined
from services.domain.notifications import (
    CRITICAL_KINDS,
    ChannelKind,
    Event,
    EventKind,
    Loudness,
    NotificationSettings,
    QuietHours,
    Recipient,
    receivable,
)
from services.domain.users import Permission
from services.domain.values import Instant

_PROBLEMS = problem_responses(401, 403, 404, 422, 503)
Me = Annotated[Caller, Depends(allow(Permission.SELF))]


class KindSetting(BaseModel):
    """How a person is told of one kind.

    Attributes:
        default: as their role has it.
        critical: always breaks through quiet hours; of incidents, the worst kinds do.
    """

    kind: EventKind
    loudness: Loudness
    default: Loudness
    critical: bool


class SettingsView(BaseModel):
    """What a person is told of, and when it is quiet; kinds that are not theirs are left out."""

    kinds: tuple[KindSetting, ...]
    quiet_hours: QuietHours | None


class SettingsChange(BaseModel):
    """All that a person wants; a kind that is left out is as their role has it."""

    model_config = ConfigDict(extra="forbid")

    kinds: dict[EventKind, Loudness] = Field(default_factory=dict)
    quiet_hours: QuietHours | None = None


class Notification(BaseModel):
    """Something a person was told; `text` follows the `title`, `link` is a path of the UI."""

    model_config = ConfigDict(extra="ignore")

    notification_id: str
    kind: EventKind
    title: str
    text: str
    link: str
    strategy_id: str | None
    critical: bool
    silent: bool
    unread: bool
    at: Instant
    created_at: Instant


class NotificationPage(BaseModel):
    """Newest first; `unread` counts those among the newest `unread_most` of the person's."""

    rows: tuple[Notification, ...]
    next: str | None
    unread: int
    unread_most: int = MOST_COUNTED


class ReadRequest(BaseModel):
    """Which notifications are read now: some, or all."""

    model_config = ConfigDict(extra="forbid")

    ids: tuple[Annotated[str, Field(max_length=500)], ...] | None = Field(None, max_length=500)
    all: bool = False


class ReadAnswer(BaseModel):
    """How many were unread before, and how many still are."""

    changed: int
    unread: int


class LinkCode(BaseModel):
    """What to send to the bot, as `/start CODE`; it works once."""

    code: str
    expires_at: Instant


class ChannelView(BaseModel):
    """A way that notifications leave by; its URL is never shown again.

    Attributes:
        status: ACTIVE, or DISABLED because the other side refuses us: `why`.
        last_error: of the last try, where it failed.
    """

    model_config = ConfigDict(extra="ignore")

    channel_id: str
    kind: ChannelKind
    name: str
    service: str
    status: str
    why: str
    created_at: Instant
    last_sent_at: Instant | None
    last_error: str


class NewChannel(BaseModel):
    """A URL of apprise, e.g. `mailto://user:password@example.com`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: str = Field(min_length=1, max_length=2000)
    name: str = Field("", max_length=80)


class Accepted(BaseModel):
    """It is on its way; what becomes of it is in `last_sent_at` and `last_error` of the channel."""

    channel_id: str


def add_notification_routes(
    app: FastAPI, store: Store, vault: Vault, networks: Sequence[Network] = ()
) -> None:
    """Serve everybody who may log in, about themselves.

    Args:
        app: that serves it.
        store: the database.
        vault: seals what channels are reached by.
        networks: of our own, that channels of operators may reach.
    """
    _add_settings(app, store)
    _add_history(app, store)
    _add_telegram(app, store)
    _add_channels(app, store, vault, networks)


def _add_settings(app: FastAPI, store: Store) -> None:
    @app.get("/api/v1/me/notification-settings", responses=_PROBLEMS, tags=["notifications"])
    def get_notification_settings(me: Me) -> SettingsView:
        """What I am told of, and when it is quiet."""
        return _settings_view(me, settings_of(store, me.name))

    @app.put("/api/v1/me/notification-settings", responses=_PROBLEMS, tags=["notifications"])
    def put_notification_settings(wanted: SettingsChange, me: Me) -> SettingsView:
        """Set all of it."""
        theirs = receivable(me.role)
        for kind in wanted.kinds:
            if kind not in theirs:
                sentence = f"a person of role {me.role} is never told of {kind}"
                raise Refusal(422, "KIND_NOT_RECEIVED", sentence, field=f"kinds.{kind}")
        settings = NotificationSettings(kinds=wanted.kinds, quiet_hours=wanted.quiet_hours)
        save_settings(store, me.name, settings)
        return _settings_view(me, settings)


def _settings_view(me: Caller, settings: NotificationSettings) -> SettingsView:
    untouched = NotificationSettings()
    return SettingsView(
        kinds=tuple(
            KindSetting(
                kind=kind,
                loudness=settings.loudness(kind, me.role),
                default=untouched.loudness(kind, me.role),
                critical=kind in CRITICAL_KINDS,
            )
            for kind in receivable(me.role)
        ),
        quiet_hours=settings.quiet_hours,
    )


def _add_history(app: FastAPI, store: Store) -> None:
    @app.get("/api/v1/me/notifications", responses=_PROBLEMS, tags=["notifications"])
    def get_notifications(
        me: Me,
        unread: bool = False,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[str | None, Query(pattern=r"^[1-9]\d{0,15}$")] = None,
    ) -> NotificationPage:
        """What I was told, newest first."""
        rows, more = page(
            store, me.name, unread=unread, before=int(before) if before else None, limit=limit
        )
        return NotificationPage(
            rows=tuple(_notification(row) for row in rows),
            next=None if more is None else str(more),
            unread=unread_count(store, me.name),
        )

    @app.post("/api/v1/me/notifications/read", responses=_PROBLEMS, tags=["notifications"])
    def read_notifications(wanted: ReadRequest, me: Me) -> ReadAnswer:
        """Mark some as read, or all."""
        if wanted.all is (wanted.ids is not None):
            raise Refusal(422, "WHICH_ONES", "name some ids, or send all: true", field="ids")
        changed = mark_read(store, me.name, wanted.ids)
        return ReadAnswer(changed=changed, unread=unread_count(store, me.name))


def _notification(row: Document) -> Notification:
    return Notification.model_validate({**row, "notification_id": row["_id"]})


def _add_telegram(app: FastAPI, store: Store) -> None:
    @app.post("/api/v1/me/telegram-link", responses=_PROBLEMS, tags=["notifications"])
    def create_telegram_link(me: Me) -> LinkCode:
        """A code that links the chat it is sent from; an earlier one opens nothing any more."""
        code, expires_at = start_link(store, me.name)
        return LinkCode(code=code, expires_at=expires_at)

    @app.delete(
        "/api/v1/me/telegram-link", status_code=204, responses=_PROBLEMS, tags=["notifications"]
    )
    def delete_telegram_link(me: Me) -> None:
        """Forget my chat: it gets nothing any more, and its commands are a stranger's."""
        if not remove(store, me.name, telegram_channel_id(me.name)):
            raise Refusal(404, "NOT_LINKED", "no chat is linked")


def _add_channels(app: FastAPI, store: Store, vault: Vault, networks: Sequence[Network]) -> None:
    @app.get("/api/v1/me/channels", responses=_PROBLEMS, tags=["notifications"])
    def get_channels(me: Me) -> list[ChannelView]:
        """My channels, oldest first."""
        return [_channel(row) for row in channels_of(store, me.name)]

    @app.post("/api/v1/me/channels", status_code=201, responses=_PROBLEMS, tags=["notifications"])
    def create_channel(wanted: NewChannel, me: Me) -> ChannelView:
        """Add a channel by its URL, which is kept sealed."""
        person = Recipient(me.name, me.role, me.strategies)
        try:
            made = add_apprise(
                store, vault, person, url=wanted.url, name=wanted.name, networks=networks
            )
        except Declined as error:
            raise Refusal(422, error.code, str(error), field=error.field) from error
        return _channel(_mine(me, made))

    @app.delete(
        "/api/v1/me/channels/{channel_id}",
        status_code=204,
        responses=_PROBLEMS,
        tags=["notifications"],
    )
    def delete_channel(channel_id: str, me: Me) -> None:
        """Forget a channel, URL and all."""
        if not remove(store, me.name, channel_id):
            raise _unknown(channel_id)

    @app.post(
        "/api/v1/me/channels/{channel_id}/test",
        status_code=202,
        responses=_PROBLEMS,
        tags=["notifications"],
    )
    def test_channel(channel_id: str, me: Me) -> Accepted:
        """Send a test by one channel."""
        row = _mine(me, channel_id)
        if row["status"] != "ACTIVE":
            raise Refusal(409, "CHANNEL_DISABLED", f"{row['name']} is disabled: {row['why']}")
        send_test(store, channel_id, _test(me))
        return Accepted(channel_id=channel_id)

    def _mine(me: Caller, channel_id: str) -> Document:
        found = [row for row in channels_of(store, me.name) if row["_id"] == channel_id]
        if not found:
            raise _unknown(channel_id)
        return found[0]


def _unknown(channel_id: str) -> Refusal:
    return Refusal(404, "UNKNOWN_CHANNEL", f"you have no channel {channel_id!r}")


def _channel(row: dict[str, Any]) -> ChannelView:
    return ChannelView.model_validate({**row, "channel_id": row["_id"]})


def _test(me: Caller) -> Event:
    return Event(
        event_id=f"TEST|{uuid.uuid4().hex}",
        kind=EventKind.TEST,
        at=utc_now(),
        title=f"This is a test, asked for by {me.name}.",
    )
