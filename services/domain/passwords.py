"""Which passwords are good enough: length counts, not kinds of letters (NIST SP 800-63B, 5.1.1.2).

Only what an attacker tries first is refused: names, well-known ones, and runs of a keyboard.
"""

from __future__ import annotations

import unicodedata
from typing import Final

LEAST_LETTERS: Final = 12
MOST_LETTERS: Final = 200
_SHORTEST_NAME: Final = 3
_FEWEST_KINDS: Final = 5
#: What many people choose when twelve letters are asked for; without what stands around it.
_WELL_KNOWN: Final = (
    "password",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "correcthorsebatterystaple",
    "iloveyou",
    "letmein",
    "welcome",
    "administrator",
    "changeme",
    "trustno1",
    "superman",
    "football",
    "baseball",
    "princess",
    "sunshine",
    "starwars",
    "whatever",
    "mathematricks",
    "tradingview",
    "qwerty",
    "asdfgh",
    "zxcvbn",
    "1q2w3e",
    "qazwsx",
)
_RUNS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb",
)
#: Letters that a well-known one must leave over to be no longer the whole of a password.
_OWN_LETTERS: Final = 8


def fault_of(password: str, *, name: str, email: str = "") -> str | None:
    """Why this may not be the password of that person; None where it may."""
    plain = normalized(password).casefold()
    if not LEAST_LETTERS <= len(plain) <= MOST_LETTERS:
        return f"a password has {LEAST_LETTERS} to {MOST_LETTERS} letters, this has {len(plain)}"
    for mine in (name, email.partition("@")[0]):
        if len(mine) >= _SHORTEST_NAME and normalized(mine).casefold() in plain:
            return "a password may not contain your name"
    if len(set(plain)) < _FEWEST_KINDS:
        return f"a password has at least {_FEWEST_KINDS} different letters"
    if any(plain in run or plain in run[::-1] for run in _RUNS):
        return "this is a run of the alphabet or of a keyboard, which is tried first"
    if _is_well_known(plain):
        return "this is one of the passwords that are tried first"
    return None


def _is_well_known(plain: str) -> bool:
    """Whether little is left of it without a well-known one (`Password1234!`)."""
    return any(
        word in plain and len(plain.replace(word, "")) < _OWN_LETTERS for word in _WELL_KNOWN
    )


def normalized(password: str) -> str:
    """The same letters, however a keyboard composes them."""
    return unicodedata.normalize("NFKC", password)
