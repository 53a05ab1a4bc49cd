"""Logging in: a password, a second factor where there is one, and a session of one's own."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.lockouts import Attempt, Lockouts
from services.common.passwords import Passwords
from services.common.problems import Refusal
from services.common.second_factor import hash_recovery_code, step_of_code
from services.common.sessions import Lifetime, Opened, Visitor, open_session
from services.common.store import Document, Store
from services.common.users import find_user
from services.common.vault import Vault
from services.domain.errors import ConfigurationError
from services.domain.lockouts import RULES
from services.domain.users import User

SERVICE: Final = "dashboard_creator"
_CODE_DIGITS: Final = 6
#: Places that a user has logged in from, and so is not kept out of by guesses from elsewhere.
_KNOWN_ADDRESSES: Final = 10


class Credentials(NamedTuple):
    """What somebody types to come in; `code` of their app, or a recovery code."""

    name: str
    password: str
    code: str = ""


class _Proof(NamedTuple):
    """What makes a code good for one log-in only: it must match, and is changed at once."""

    match: Document
    change: dict[str, Any]
    word: str


class LogIn:
    """Proves who people are."""

    def __init__(
        self, store: Store, vault: Vault, passwords: Passwords, *, lifetime: Lifetime
    ) -> None:
        self._store = store
        self._vault = vault
        self._passwords = passwords
        self._lifetime = lifetime
        self._lockouts = Lockouts(store)

    def open(self, given: Credentials, visitor: Visitor) -> tuple[User, Opened]:
        """A new session.

        Raises:
            Refusal: 401 wrong, or TOTP_REQUIRED where only the code is missing; 403 disabled; 429
                too soon after the last failure.
        """
        user, attempt = self._with_password(given.name, given.password, visitor)
        if not user.is_active:
            self._audit("LOGIN_FAILED", user.name, {"why": "DISABLED"})
            raise Refusal(403, "USER_DISABLED", "this user is disabled: ask an admin")
        proof = self._second_factor(user, given.code, attempt)
        opened = self._open(user, given.password, proof, visitor)
        if opened is None:  # somebody else has used that code, or changed the password meanwhile
            raise self._wrong_code(user, attempt)
        self._lockouts.succeed(attempt)
        return user, opened

    def check_password(self, user: User, password: str, visitor: Visitor) -> None:
        """Raise Refusal (401, 429) unless it is the password of somebody who is logged in."""
        _, attempt = self._with_password(user.name, password, visitor)
        self._lockouts.succeed(attempt)

    def replace(self, user: User, visitor: Visitor, session: ClientSession) -> Opened:
        """A session in the place of the one that a change has just ended."""
        return open_session(self._store, user, visitor, lifetime=self._lifetime, session=session)

    def _with_password(self, name: str, password: str, visitor: Visitor) -> tuple[User, Attempt]:
        user = find_user(self._store, name)
        known = user is not None and visitor.address in user.known_addresses
        attempt = self._lockouts.begin(name, visitor.address, known=known)
        right = self._passwords.is_right(user.password_hash if user else None, password)
        if user is None or not right:
            # Never what was typed as a name that nobody has: it may be a password.
            self._failed(user.name if user else visitor.address, "PASSWORD", attempt)
            raise Refusal(401, "WRONG_LOGIN", "name or password is wrong")
        return user, attempt

    def _second_factor(self, user: User, code: str, attempt: Attempt) -> _Proof:
        if user.totp_sealed is None:
            return _Proof({}, {}, "")
        if not code:
            self._lockouts.forgive(attempt)
            sentence = "send the code of your authenticator app, or a recovery code, as `code`"
            raise Refusal(401, "TOTP_REQUIRED", sentence, field="code")
        digits = "".join(code.split())
        if len(digits) == _CODE_DIGITS and digits.isdecimal() and digits.isascii():
            step = step_of_code(
                self._open_secret(user.totp_sealed), digits, now=utc_now(), after=user.totp_step
            )
            if step is None:
                raise self._wrong_code(user, attempt)
            return _Proof({"totp_step": {"$lt": step}}, {"$set": {"totp_step": step}}, "TOTP")
        hashed = hash_recovery_code(code)
        if hashed not in user.recovery_codes:
            raise self._wrong_code(user, attempt)
        pulled = {"$pull": {"recovery_codes": hashed}}
        return _Proof({"recovery_codes": hashed}, pulled, "RECOVERY_CODE")

    def _open(self, user: User, password: str, proof: _Proof, visitor: Visitor) -> Opened | None:
        """The session; None where the user is no longer as they were, or the code is used."""
        places = [each for each in user.known_addresses if each != visitor.address]
        fields: Document = {
            "last_login_at": utc_now(),
            "known_addresses": [*places, visitor.address][-_KNOWN_ADDRESSES:],
            **proof.change.get("$set", {}),
        }
        if user.password_hash and self._passwords.is_outdated(user.password_hash):
            fields["password_hash"] = self._passwords.hash(password)
        update = {**proof.change, "$set": fields}
        match = {"_id": user.name, "password_hash": user.password_hash, **proof.match}

        def work(session: ClientSession) -> Opened | None:
            if not self._store["users"].update_one(match, update, session=session).matched_count:
                return None
            opened = open_session(
                self._store, user, visitor, lifetime=self._lifetime, session=session
            )
            facts = {"session_id": opened.session_id, "second_factor": proof.word}
            self._audit("LOGGED_IN", user.name, facts, session)
            return opened

        return self._store.transaction(work)

    def _wrong_code(self, user: User, attempt: Attempt) -> Refusal:
        self._failed(user.name, "CODE", attempt)
        return Refusal(401, "WRONG_CODE", "this code is wrong, or was used before", field="code")

    def _failed(self, by: str, why: str, attempt: Attempt) -> None:
        self._audit("LOGIN_FAILED", by, {"why": why})
        for against in attempt.locked:
            facts = {"against": against, "failures": RULES[against].free}
            self._audit("LOGIN_LOCKED", by, facts)

    def _open_secret(self, sealed: str) -> str:
        try:
            return self._vault.open(sealed)
        except ConfigurationError as error:
            raise Refusal(503, "SECRET_KEY_UNUSABLE", str(error)) from error

    def _audit(
        self, what: str, by: str, facts: Document, session: ClientSession | None = None
    ) -> None:
        audit(self._store, what, service=SERVICE, by=by, facts=facts, session=session)
