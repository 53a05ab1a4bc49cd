"""The bot: python-telegram-bot in an event loop of its own, hidden behind plain calls.

A command is done once or not at all: that an update was taken is stored before it is handled. The
token is in every URL of the Bot API, so no error of the library is logged or shown as it is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Final

from pymongo.errors import PyMongoError
from telegram import (
    Bot,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Message,
    Update,
)
from telegram.constants import ChatType, ParseMode
from telegram.error import (
    BadRequest,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)
from telegram.request import HTTPXRequest

from services.common.incidents import clear_incident, raise_incident
from services.common.leases import Lease
from services.common.store import Store
from services.domain.errors import TransientError
from services.telegram.errors import ChannelRefuses, Later, NotDeliverable
from services.telegram.replies import Answers, Button, Incoming, Reply

_log = logging.getLogger(__name__)
_POLL_SECONDS: Final = 20
_SEND_SECONDS: Final = 30.0
_REFUSED_PAUSE: Final = 60.0
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_BROKEN_PAUSE: Final = 3.0
_UNREACHABLE_SECONDS: Final = 60.0
_FOLLOW_SECONDS: Final = 0.7
_FOLLOW_MOST: Final = 180.0
_REMEMBERED: Final = 200
_TRIES: Final = 3
_REFUSED: Final = "TELEGRAM_TOKEN_REFUSED"
_TWICE: Final = "TELEGRAM_POLLED_TWICE"
_AWAY: Final = "TELEGRAM_UNREACHABLE"
_KEY: Final = "bot"


class TelegramBot:
    """Polls for commands while it holds the lease, and sends for the outbox.

    Args:
        token: of the bot.
        base_url: server of the Bot API.
        store: for incidents, and for the updates that were taken.
        lease: of this daemon: one token may be polled by one process only.
        answers: what to say.
    """

    def __init__(
        self, token: str, base_url: str, *, store: Store, lease: Lease, answers: Answers
    ) -> None:
        # The URL has the token in it, and httpx logs it at INFO.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        os.environ.setdefault("PTB_TIMEDELTA", "1")  # the library warns of its old way otherwise
        self._token = token
        self._base_url = f"{base_url.rstrip('/')}/bot"
        self._store = store
        self._lease = lease
        self._answers = answers
        self._loop = asyncio.new_event_loop()
        self._bot: Bot | None = None
        self._name = ""
        self._trouble = "not connected yet"
        self._failing_since: float | None = None
        self._failures = 0
        self._stopping = False
        self._main_task: asyncio.Task[None] | None = None
        self._following: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="telegram-bot", daemon=True)

    def start(self) -> None:
        """Poll in a thread with a loop of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the poll; what was typed and not taken comes again after the next start."""
        self._stopping = True
        self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(timeout=10)

    def state(self) -> str:
        """For /health. Raises: TransientError while Telegram is not reached."""
        if not self._lease.held():
            return "standing by: another replica holds the lease"
        if self._trouble:
            raise TransientError(self._trouble)
        return f"polling as @{self._name}"

    def is_connected(self) -> bool:
        """Whether Telegram has answered, and nothing has failed since."""
        return self._bot is not None and not self._trouble

    def send(
        self, chat_id: int, text: str, *, silent: bool, buttons: tuple[Button, ...] = ()
    ) -> None:
        """Send to a chat; blocks until Telegram has answered.

        Raises:
            Later: Telegram wants to be left alone, by its own word how long.
            ChannelRefuses: the person has blocked the bot, or the chat is gone.
            NotDeliverable: Telegram will never take this text.
            TransientError: Telegram is not reached.
        """
        bot = self._bot
        if bot is None:
            raise TransientError(self._trouble)
        self._wait(self._send(bot, chat_id, Reply(text, buttons), silent))

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        future: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            future.result(timeout=_SEND_SECONDS)
        except TimeoutError as error:
            future.cancel()
            raise TransientError("Telegram did not answer in time") from error

    async def _send(self, bot: Bot, chat_id: int, message: Reply, silent: bool) -> None:
        try:
            await bot.send_message(
                chat_id,
                message.html,
                parse_mode=ParseMode.HTML,
                reply_markup=_keyboard(message),
                disable_notification=silent,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        except RetryAfter as error:
            seconds = _seconds(error)
            sentence = f"Telegram takes no more messages for {seconds:.0f} s"
            raise Later(sentence, seconds=seconds) from None
        except Forbidden:
            raise ChannelRefuses("the bot was blocked, or removed from the chat") from None
        except BadRequest as error:
            if "chat not found" in str(error).lower():
                raise ChannelRefuses("there is no such chat any more") from None
            raise NotDeliverable(f"Telegram refuses the message: {self._safe(error)}") from None
        except InvalidToken:
            await asyncio.to_thread(self._refused)
            raise TransientError("Telegram refuses TELEGRAM_BOT_TOKEN") from None
        except TelegramError as error:  # the cause has the URL in it: it goes no further
            raise TransientError(f"Telegram is not reached: {type(error).__name__}") from None

    def _safe(self, error: TelegramError) -> str:
        return str(error).replace(self._token, "…")[:200]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._main_task = self._loop.create_task(self._main())
        if self._stopping:
            self._main_task.cancel()
        try:
            self._loop.run_until_complete(self._main_task)
        except asyncio.CancelledError:
            _log.info("the bot has stopped")
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _cancel(self) -> None:
        for task in (self._main_task, *self._following):
            if task is not None:
                task.cancel()

    async def _main(self) -> None:
        while not self._stopping:
            if not self._lease.held():
                await asyncio.sleep(0.2)
                continue
            try:
                await self._session()
                pause = 0.0
            except InvalidToken:
                await asyncio.to_thread(self._refused)
                pause = _REFUSED_PAUSE
            except RetryAfter as error:
                pause = _seconds(error)
            except Conflict:
                self._trouble = "another program polls with the same token"
                await asyncio.to_thread(self._open_incident, _TWICE, self._trouble)
                pause = _BROKEN_PAUSE
            except TelegramError as error:
                pause = await asyncio.to_thread(self._broken, type(error).__name__)
            except PyMongoError as error:
                _log.warning("commands wait for the database: %s", type(error).__name__)
                pause = _BROKEN_PAUSE
            except Exception as error:  # noqa: BLE001 - an update that the library cannot read
                # Its words may have the token in them. It is asked for again until it is gone.
                pause = await asyncio.to_thread(self._broken, type(error).__name__)
            await asyncio.sleep(pause)

    async def _session(self) -> None:
        """Poll until something fails or the lease is lost."""
        requests = [HTTPXRequest(connection_pool_size=8, read_timeout=15) for _ in range(2)]
        async with Bot(
            self._token,
            base_url=self._base_url,
            request=requests[0],
            get_updates_request=requests[1],
        ) as bot:
            self._bot, self._name = bot, bot.username
            try:
                await self._poll(bot)
            finally:
                self._bot = None

    async def _poll(self, bot: Bot) -> None:
        offset = None
        wait = 0  # the first answer says that all is well
        while self._lease.held():
            updates = await bot.get_updates(
                offset=offset, timeout=wait, allowed_updates=["message", "callback_query"]
            )
            await asyncio.to_thread(self._well)
            wait = _POLL_SECONDS
            for update in updates:
                offset = update.update_id + 1
                if await asyncio.to_thread(self._take, update.update_id):
                    await self._handle(bot, update)

    def _well(self) -> None:
        if self._trouble:
            _log.info("polling as @%s", self._name)
            for kind in (_REFUSED, _TWICE, _AWAY):
                clear_incident(self._store, kind=kind, key=_KEY)
        self._trouble, self._failing_since, self._failures = "", None, 0

    def _refused(self) -> None:
        self._trouble = "Telegram refuses the setting TELEGRAM_BOT_TOKEN"
        sentence = f"{self._trouble}: copy it again from @BotFather"
        self._open_incident(_REFUSED, sentence)

    def _broken(self, what: str) -> float:
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        self._trouble = f"Telegram is not reached: {what}"
        if now - self._failing_since > _UNREACHABLE_SECONDS:
            self._open_incident(_AWAY, f"{self._trouble}; messages wait")
        self._failures += 1
        return min(_FIRST_PAUSE * float(2 ** min(self._failures - 1, 10)), _LONGEST_PAUSE)

    def _open_incident(self, kind: str, sentence: str) -> None:
        try:
            raise_incident(self._store, kind=kind, key=_KEY, sentence=sentence)
        except PyMongoError as error:
            _log.warning("an incident could not be stored: %s", type(error).__name__)

    def _take(self, update_id: int) -> bool:
        """Whether an update is new; stored before it is handled."""
        name = {"_id": f"telegram_updates|{self._name}"}
        row = self._store["checkpoints"].find_one(name)
        taken: list[int] = row["taken"] if row else []
        if update_id in taken:
            return False
        changes = {"$set": {"taken": [*taken, update_id][-_REMEMBERED:]}}
        self._store["checkpoints"].update_one(name, changes, upsert=True)
        return True

    async def _handle(self, bot: Bot, update: Update) -> None:
        chat, query = update.effective_chat, update.callback_query
        if chat is None:
            return
        incoming = _incoming(update, chat.id, is_private=chat.type == ChatType.PRIVATE)
        if incoming is None:
            return
        ask = self._answers.press if query is not None else self._answers.text
        try:
            replies = await asyncio.to_thread(ask, incoming)
        except (PyMongoError, TransientError) as error:
            _log.warning("what became of a command is not known: %s", type(error).__name__)
            replies = [
                Reply("No answer: it may be done, or not. Look with /status, then try again.")
            ]
        except Exception:  # noqa: BLE001 - one command that fails may not end the others
            _log.exception("a command broke")
            replies = [
                Reply("Our fault: it may be done, or not. Look with /status; the log says more.")
            ]
        try:
            await self._answer(bot, incoming.chat_id, query, replies)
        except (BadRequest, Forbidden) as error:
            _log.warning("an answer was not taken: %s", self._safe(error))

    async def _answer(
        self, bot: Bot, chat_id: int, query: CallbackQuery | None, replies: list[Reply]
    ) -> None:
        if query is not None and replies:
            try:
                await bot.answer_callback_query(query.id)
                # Buttons work once: they go when they are pressed.
                if isinstance(query.message, Message):
                    await bot.edit_message_reply_markup(chat_id, query.message.message_id)
            except BadRequest:
                _log.info("a button was pressed that is gone")
        for each in replies:
            sent = await self._reply(bot, chat_id, each)
            if each.follow:
                task = asyncio.get_running_loop().create_task(
                    self._follow(bot, chat_id, sent.message_id, each)
                )
                self._following.add(task)
                task.add_done_callback(self._following.discard)

    async def _reply(self, bot: Bot, chat_id: int, each: Reply) -> Message:
        """Send an answer; the command is done, so its answer is tried a few times."""
        for _ in range(_TRIES):
            try:
                return await self._reply_once(bot, chat_id, each)
            except BadRequest:
                raise
            except RetryAfter as error:
                await asyncio.sleep(_seconds(error))
            except NetworkError:
                await asyncio.sleep(1)
        return await self._reply_once(bot, chat_id, each)

    async def _reply_once(self, bot: Bot, chat_id: int, each: Reply) -> Message:
        return await bot.send_message(
            chat_id, each.html, parse_mode=ParseMode.HTML, reply_markup=_keyboard(each)
        )

    async def _follow(self, bot: Bot, chat_id: int, message_id: int, first: Reply) -> None:
        """Show the proof of a kill as it comes, in the message that announced it."""
        shown, until = first.html, time.monotonic() + _FOLLOW_MOST
        while time.monotonic() < until:
            try:
                text, ended = await asyncio.to_thread(self._answers.proof, first.follow)
                if text != shown:
                    await bot.edit_message_text(
                        text, chat_id=chat_id, message_id=message_id, parse_mode=ParseMode.HTML
                    )
                    shown = text
                if ended:
                    return
            except RetryAfter as error:
                await asyncio.sleep(_seconds(error))
            except BadRequest as error:  # the message was deleted
                _log.info("a proof is not shown any more: %s", self._safe(error))
                return
            except (NetworkError, PyMongoError, TransientError) as error:
                _log.info("a proof is shown later: %s", type(error).__name__)
            except TelegramError as error:
                _log.warning("a proof cannot be shown: %s", self._safe(error))
                return
            await asyncio.sleep(_FOLLOW_SECONDS)


def _seconds(error: RetryAfter) -> float:
    after = error.retry_after
    return float(after) if isinstance(after, (int, float)) else after.total_seconds()


def _incoming(update: Update, chat_id: int, *, is_private: bool) -> Incoming | None:
    user = update.effective_user
    name = user.full_name if user else ""
    query, message = update.callback_query, update.message
    if query is not None:
        return Incoming(chat_id, is_private, name, query.data or "")
    if message is not None and message.text:
        return Incoming(chat_id, is_private, name, message.text, message.date)
    return None


def _keyboard(reply: Reply) -> InlineKeyboardMarkup | None:
    if not reply.buttons:
        return None
    row = [InlineKeyboardButton(each.text, callback_data=each.data) for each in reply.buttons]
    return InlineKeyboardMarkup([row])
