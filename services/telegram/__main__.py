"""Wiring of notifications and the bot."""

from __future__ import annotations

from services.common.apprise_urls import send
from services.common.daemon import Process, main
from services.common.leases import Lease
from services.common.migrations import open_store
from services.common.outward import networks_of
from services.common.settings import TelegramSettings
from services.common.store import Store
from services.common.vault import Vault
from services.telegram.acts import Acts
from services.telegram.bot import TelegramBot
from services.telegram.commands import Commands
from services.telegram.health import ServiceWatch, addresses
from services.telegram.outbox import Outbox
from services.telegram.texts import Frame
from services.telegram.views import Views
from services.telegram.watcher import Watcher


def build(process: Process[TelegramSettings]) -> None:
    """Store → lease → bot → outbox → what watches."""
    settings = process.settings
    store = open_store(process)
    process.on_exit(store.close)
    networks = networks_of(settings.notification_networks)
    lease = Lease(store, "telegram", ttl_seconds=settings.lease_ttl_s)
    mode = settings.trading_mode.upper()
    views = Views(store, mode)
    acts = Acts(store, views, kill_timeout_seconds=settings.kill_timeout_s)
    commands = Commands(store, views, acts)
    bot = _bot(store, lease, settings, commands)
    outbox = Outbox(
        store,
        lease,
        chats=bot,
        offer=commands.offer,
        post=lambda url, message: send(
            url, title=message.title, body=message.body, networks=networks
        ),
        open_url=Vault(settings).open,
        window_seconds=settings.telegram_batch_s,
        frame=Frame(mode, settings.public_url),
    )
    watcher = Watcher(store, lease)
    services = ServiceWatch(
        store,
        lease,
        watcher.tell,
        addresses=addresses(settings),
        patience_seconds=settings.telegram_service_down_s,
    )
    process.health.add("mongodb", store.state)
    process.health.add("stream", watcher.state)
    if bot is not None:
        process.health.add("telegram", bot.state, outside=True)
        process.add(bot)
    process.add(lease)
    process.add(outbox)
    process.add(watcher)
    process.add(services)
    process.serve_ops()


def _bot(
    store: Store, lease: Lease, settings: TelegramSettings, answers: Commands
) -> TelegramBot | None:
    token = settings.telegram_bot_token.get_secret_value().strip()
    if not token:
        return None
    return TelegramBot(token, settings.telegram_base_url, store=store, lease=lease, answers=answers)


if __name__ == "__main__":
    main("telegram", TelegramSettings, build)
