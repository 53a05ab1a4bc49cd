"""The telegram daemon in this process: all of its parts, against the fake Bot API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from services.common.notification_channels import finish_link, start_link
from services.common.ops import Health
from services.common.settings import TelegramSettings
from services.common.store import Store
from services.domain.errors import TransientError
from services.domain.users import Permission
from services.telegram.__main__ import build
from tests.fakes.telegram.server import TOKEN, FakeTelegram
from tests.support import desks

CHAT = 42
#: What each command asks for; any of them is enough.
NEEDS = {
    "status": {Permission.READ},
    "signals": {Permission.READ, Permission.OWN},
    "positions": {Permission.READ, Permission.OWN},
    "pnl": {Permission.READ, Permission.OWN},
    "orders": {Permission.READ, Permission.OWN},
    "accounts": {Permission.READ},
    "limits": {Permission.READ},
    "pause": {Permission.TRADE},
    "resume": {Permission.TRADE},
    "reduce": {Permission.TRADE},
    "flatten": {Permission.TRADE},
    "approve": {Permission.TRADE},
    "help": {Permission.SELF},
}


def wait_for(condition: Callable[[], Any]) -> Any:
    """Until it holds; patient, because the machine may be busy with other tests."""
    return desks.wait_for(condition, 60)


class Parts:
    """Stands in for the process that `build` fills."""

    def __init__(self, settings: TelegramSettings) -> None:
        self.settings = settings
        self.health = Health("telegram")
        self.parts: list[Any] = []
        self.closers: list[Callable[[], None]] = []

    def add(self, part: Any) -> None:
        self.parts.append(part)

    def on_exit(self, close: Callable[[], None]) -> None:
        self.closers.append(close)

    def is_watching(self) -> bool:
        try:
            return self.health._checks["stream"]() == "watching"
        except TransientError:
            return False

    def serve_ops(self) -> None:
        """No port is needed."""


@contextmanager
def telegram(connection: dict[str, Any], fake: FakeTelegram | None, **more: Any) -> Iterator[Parts]:
    """The daemon while it runs; without a fake it has no token."""
    known: dict[str, Any] = {"telegram_batch_s": 0.3, "lease_ttl_s": 1, "mt_port_offset": 29_000}
    if fake is not None:
        known |= {"telegram_bot_token": TOKEN, "telegram_base_url": fake.url}
    process = Parts(TelegramSettings(**connection, **known | more))
    build(process)
    started = []
    try:
        for part in process.parts:
            part.start()
            started.append(part)
        wait_for(process.is_watching)
        yield process
    finally:
        for part in reversed(started):
            part.stop()
        for close in reversed(process.closers):
            close()


def add_person(store: Store, name: str, role: str = "OPERATOR", strategies: tuple[str, ...] = ()):
    """Somebody who may log in."""
    row = {"_id": name, "name": name, "role": role, "status": "ACTIVE", "strategies": strategies}
    store["users"].replace_one({"_id": name}, row, upsert=True)


def link(store: Store, name: str = "olga", chat_id: int = CHAT) -> None:
    """Link a chat as the bot would."""
    code, _ = start_link(store, name)
    assert finish_link(store, code, chat_id=chat_id, chat_name=name) is not None


def meet(fake: FakeTelegram, chat_id: int = CHAT) -> None:
    """The chat exists at Telegram; nothing waits in it."""
    fake._chats[chat_id] = {"id": chat_id, "type": "private"}


def shows(fake: FakeTelegram, text: str, chat_id: int = CHAT) -> str:
    """Waits for a message with that text in it; the whole of it."""
    found = wait_for(lambda: [each for each in fake.texts(chat_id) if text in each])
    return found[-1]
