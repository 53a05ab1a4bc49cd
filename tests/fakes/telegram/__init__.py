"""A Bot API server that speaks Telegram's protocol: long polls, buttons, and its refusals."""

from tests.fakes.telegram.server import FakeTelegram

__all__ = ["FakeTelegram"]
