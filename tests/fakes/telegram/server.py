"""The server: methods of the Bot API over HTTP, and what a test says and breaks."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from tests.fakes.telegram.markup import BadMarkup, letters, plain

BOT = {"id": 7000001, "is_bot": True, "first_name": "Mathematricks", "username": "mt_fake_bot"}
TOKEN = "7000001:AAE-fake_token_that_nobody_may_ever_see"
_MOST_LETTERS = 4096


class Refused(Exception):
    """An answer that is not ok."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code = code
        self.parameters = parameters


class FakeTelegram:
    """One bot, its chats, and faults on command.

    Attributes:
        messages: what was sent, by chat, as it stands after edits.
        calls: method and fields of every call, in their order.
        blocked: chats that want nothing of the bot.
        flood: by chat, how many sends are refused with 429, and for how many seconds.
        broken: how many calls are answered with 502.
        dead: connections are cut without an answer.
        revoked: the token is refused.
    """

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.messages: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.blocked: set[int] = set()
        self.flood: dict[int, tuple[int, int]] = {}
        self.broken = 0
        self.dead = False
        self.revoked = False
        self._chats: dict[int, dict[str, Any]] = {}
        self._updates: list[dict[str, Any]] = []
        self._said: dict[int, dict[str, Any]] = {}
        self._next_update, self._next_message, self._poll = 1, 1, 0
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> FakeTelegram:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self.dead = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # What people do

    def say(self, chat_id: int, text: str, *, kind: str = "private", age: float = 0.0) -> int:
        """Somebody types; the id of the update."""
        person = {"id": abs(chat_id), "is_bot": False, "first_name": f"Person {chat_id}"}
        chat = {"id": chat_id, "type": kind}
        with self._changed:
            self._chats[chat_id] = chat
            message = self._message(chat, text) | {"from": person, "date": int(time.time() - age)}
            return self._add({"message": message})

    def press(self, chat_id: int, label: str) -> int:
        """Somebody presses the newest button that begins with `label`."""
        with self._changed:
            for message in reversed(self.messages[chat_id]):
                for row in message.get("reply_markup", {}).get("inline_keyboard", []):
                    for button in row:
                        if button["text"].startswith(label):
                            return self._press(chat_id, message, button["callback_data"])
        raise AssertionError(f"chat {chat_id} shows no button {label!r}")

    def press_data(self, chat_id: int, data: str) -> int:
        """A forged press."""
        with self._changed:
            chat = self._chats.setdefault(chat_id, {"id": chat_id, "type": "private"})
            return self._press(chat_id, self._message(chat, "forged"), data)

    def texts(self, chat_id: int) -> list[str]:
        """What a person sees, the oldest first."""
        with self._changed:
            return [message["text"] for message in self.messages[chat_id]]

    def push_again(self, update_id: int) -> None:
        """Deliver an update once more, as after an answer that was lost."""
        with self._changed:
            self._updates.append(self._said[update_id])
            self._updates.sort(key=lambda each: each["update_id"])
            self._changed.notify_all()

    def _press(self, chat_id: int, message: dict[str, Any], data: str) -> int:
        person = {"id": abs(chat_id), "is_bot": False, "first_name": f"Person {chat_id}"}
        query = {"id": str(self._next_update), "from": person, "chat_instance": "1", "data": data}
        shown = {name: message[name] for name in ("message_id", "date", "chat", "text")}
        return self._add({"callback_query": {**query, "message": shown}})

    def _add(self, update: dict[str, Any]) -> int:
        update = {"update_id": self._next_update, **update}
        self._next_update += 1
        self._updates.append(update)
        self._said[update["update_id"]] = update
        self._changed.notify_all()
        return update["update_id"]

    def _message(self, chat: dict[str, Any], text: str) -> dict[str, Any]:
        number, self._next_message = self._next_message, self._next_message + 1
        return {"message_id": number, "date": int(time.time()), "chat": chat, "text": text}

    # What the bot does

    def call(self, token: str, method: str, fields: dict[str, Any]) -> Any:
        """Answer one call. Raises: Refused."""
        with self._changed:
            if token != self.token or self.revoked:
                raise Refused(401, "Unauthorized")
            if self.broken and method != "getMe":
                self.broken -= 1
                raise Refused(502, "Bad Gateway")
            if method != "getUpdates":
                self.calls.append((method, fields))
            found = getattr(self, f"_{method}", None)
            if found is None:
                raise Refused(404, "Not Found")
            return found(fields)

    def _getMe(self, _fields: dict[str, Any]) -> Any:
        return BOT | {"can_join_groups": True, "can_read_all_group_messages": False}

    def _getUpdates(self, fields: dict[str, Any]) -> Any:
        self._poll += 1
        mine, offset = self._poll, int(fields.get("offset") or 0)
        self._changed.notify_all()
        self._updates = [each for each in self._updates if each["update_id"] >= offset]
        until = time.monotonic() + float(fields.get("timeout") or 0)
        while not self._updates and time.monotonic() < until and not self.dead:
            self._changed.wait(until - time.monotonic())
            if self._poll != mine:
                raise Refused(409, "Conflict: terminated by other getUpdates request")
        return self._updates[:100]

    def _sendMessage(self, fields: dict[str, Any]) -> Any:
        chat = self._chat(fields)
        text = self._checked(fields)
        message = self._message(chat, text) | {"from": BOT, "html": fields["text"]}
        message["silent"] = fields.get("disable_notification") in (True, "true")
        if fields.get("reply_markup"):
            message["reply_markup"] = _keyboard(fields["reply_markup"])
        self.messages[chat["id"]].append(message)
        self._changed.notify_all()
        return message

    def _editMessageText(self, fields: dict[str, Any]) -> Any:
        message, text = self._shown(fields), self._checked(fields)
        if message["text"] == text:
            raise Refused(400, "Bad Request: message is not modified")
        message.update(text=text, html=fields["text"])
        message.pop("reply_markup", None)
        return message

    def _editMessageReplyMarkup(self, fields: dict[str, Any]) -> Any:
        message = self._shown(fields)
        message.pop("reply_markup", None)
        return message

    def _answerCallbackQuery(self, fields: dict[str, Any]) -> Any:
        if not fields.get("callback_query_id"):
            raise Refused(400, "Bad Request: query is too old or query ID is invalid")
        return True

    def _chat(self, fields: dict[str, Any]) -> dict[str, Any]:
        chat_id = int(fields["chat_id"])
        if chat_id not in self._chats:
            raise Refused(400, "Bad Request: chat not found")
        if chat_id in self.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        left, seconds = self.flood.get(chat_id, (0, 0))
        if left:
            self.flood[chat_id] = (left - 1, seconds)
            description = f"Too Many Requests: retry after {seconds}"
            raise Refused(429, description, retry_after=seconds)
        return self._chats[chat_id]

    def _shown(self, fields: dict[str, Any]) -> dict[str, Any]:
        number = int(fields["message_id"])
        for message in self.messages[int(fields["chat_id"])]:
            if message["message_id"] == number:
                return message
        raise Refused(400, "Bad Request: message to edit not found")

    def _checked(self, fields: dict[str, Any]) -> str:
        text = str(fields.get("text", ""))
        if fields.get("parse_mode") == "HTML":
            try:
                text = plain(text)
            except BadMarkup as error:
                raise Refused(400, f"Bad Request: {error}") from error
        if not text.strip():
            raise Refused(400, "Bad Request: message text is empty")
        if letters(text) > _MOST_LETTERS:
            raise Refused(400, "Bad Request: message is too long")
        return text


def _keyboard(sent: Any) -> dict[str, Any]:
    keyboard = json.loads(sent) if isinstance(sent, str) else sent
    for row in keyboard["inline_keyboard"]:
        for button in row:
            if not 1 <= len(button["callback_data"].encode()) <= 64:
                raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
    return keyboard


def _fields(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type.startswith("application/json"):
        return json.loads(body or b"{}")
    if content_type.startswith("multipart/form-data"):
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
        return {
            part.get_param("name", header="content-disposition"): part.get_content()
            for part in parts
        }
    return dict(parse_qsl(body.decode()))


def _handler(fake: FakeTelegram) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fake.dead:
                self.close_connection = True
                return
            _, bot, method = self.path.split("/", 2)
            fields = _fields(self.headers.get("Content-Type") or "", body)
            try:
                answer = {"ok": True, "result": fake.call(bot.removeprefix("bot"), method, fields)}
                code = 200
            except Refused as error:
                code = error.code
                answer = {"ok": False, "error_code": code, "description": str(error)}
                if error.parameters:
                    answer["parameters"] = error.parameters
            if fake.dead:  # an answer that never arrives
                self.close_connection = True
                return
            text = json.dumps(answer).encode()
            try:
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            except OSError:
                self.close_connection = True

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Tests look at `calls`."""

    return Handler
