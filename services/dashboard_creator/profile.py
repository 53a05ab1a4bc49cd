"""What people change of themselves: password, second factor, sessions, keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

import segno
from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.credentials import CredentialKind, create_credential, is_valid
from services.common.operators import scopes_of
from services.common.passwords import Passwords
from services.common.problems import Refusal
from services.common.second_factor import (
    hash_recovery_code,
    new_secret,
    recovery_codes,
    step_of_code,
    uri_of,
)
from services.common.sessions import Opened, Visitor, end_session, sessions_of
from services.common.store import Document, Store
from services.common.users import (
    Change,
    Signature,
    change_user,
    find_user,
    new_password_fields,
    unknown_user,
)
from services.common.vault import Vault
from services.dashboard_creator.log_in import SERVICE, LogIn
from services.domain.errors import ConfigurationError
from services.domain.users import PERMISSIONS, Permission, User

_MOST_KEYS: Final = 50


class Started(NamedTuple):
    """A second factor that waits for its first code."""

    secret: str
    uri: str
    qr_svg: str


class MadeKey(NamedTuple):
    """A new key; the secret is nowhere else."""

    secret: str
    key_id: str


class Profile:
    """Each method is of the person who asks.

    Args:
        place: what an authenticator app calls this instance beside its name.
    """

    def __init__(
        self, store: Store, vault: Vault, passwords: Passwords, log_in: LogIn, *, place: str
    ) -> None:
        self._store = store
        self._vault = vault
        self._passwords = passwords
        self._log_in = log_in
        self._place = place

    def user(self, name: str) -> User:
        """Somebody. Raises: Refusal (404)."""
        user = find_user(self._store, name)
        if user is None:
            raise unknown_user(name)
        return user

    def csrf_token(self, name: str, session_id: str | None) -> str | None:
        """What our page sends back; None where there is no session."""
        if session_id is None:
            return None
        query = {"user": name, "session_id": session_id}
        row = self._store["sessions"].find_one(query, {"csrf_token": 1})
        return row["csrf_token"] if row else None

    def change_password(self, name: str, old: str, new: str, visitor: Visitor) -> Opened:
        """A new password; every other session of theirs is over. Raises: Refusal."""
        user = self.user(name)
        self._log_in.check_password(user, old, visitor)
        former = (*user.password_history, *([user.password_hash] if user.password_hash else []))
        self._passwords.check_new(new, name=name, email=user.email, former=former)
        hashed = self._passwords.hash(new)

        def decide(user: User) -> Change:
            fields = new_password_fields(user, hashed, by_other=False)
            return Change("PASSWORD_CHANGED", fields, {}, ends_sessions=True)

        return self._change_and_stay(name, decide, visitor)

    def start_second_factor(self, name: str) -> Started:
        """A secret for an app; it counts once a code of it was sent. Raises: Refusal."""
        secret = new_secret()
        sealed = self._seal(secret)

        def decide(user: User) -> Change:
            if user.totp_sealed is not None:
                raise Refusal(409, "TOTP_ENABLED", "there is a second factor: disable it first")
            return Change("SECOND_FACTOR_STARTED", {"totp_pending": sealed}, {})

        change_user(self._store, name, decide, signed=Signature(name, SERVICE))
        uri = uri_of(secret, name, place=self._place)
        picture = segno.make(uri, error="m", micro=False)
        return Started(secret, uri, picture.svg_data_uri(scale=4, light="#fff", border=4))

    def confirm_second_factor(
        self, name: str, code: str, visitor: Visitor
    ) -> tuple[list[str], Opened]:
        """From now on a code is asked for; recovery codes for a lost telephone. Raises: Refusal."""
        codes = recovery_codes()

        def decide(user: User) -> Change:
            if user.totp_pending is None:
                raise Refusal(409, "TOTP_NOT_STARTED", "start a second factor first")
            secret = self._unseal(user.totp_pending)
            digits = "".join(code.split())
            step = step_of_code(secret, digits, now=utc_now(), after=0)
            if step is None:
                sentence = "this is not the code that the app shows now: is its clock right?"
                raise Refusal(422, "WRONG_CODE", sentence, field="code")
            fields = {
                "totp_sealed": user.totp_pending,
                "totp_step": step,
                "totp_pending": None,
                "recovery_codes": [hash_recovery_code(each) for each in codes],
            }
            return Change("SECOND_FACTOR_ENABLED", fields, {}, ends_sessions=True)

        return codes, self._change_and_stay(name, decide, visitor)

    def disable_second_factor(self, name: str, password: str, visitor: Visitor) -> Opened:
        """From now on a password is enough. Raises: Refusal."""
        self._log_in.check_password(self.user(name), password, visitor)

        def decide(user: User) -> Change:
            if user.totp_sealed is None:
                raise Refusal(409, "TOTP_NOT_ENABLED", "there is no second factor")
            fields: Document = {"totp_sealed": None, "totp_pending": None, "recovery_codes": []}
            return Change("SECOND_FACTOR_DISABLED", fields, {}, ends_sessions=True)

        return self._change_and_stay(name, decide, visitor)

    def renew_recovery_codes(self, name: str, password: str, visitor: Visitor) -> list[str]:
        """Ten new codes; the old ones are void. Raises: Refusal."""
        self._log_in.check_password(self.user(name), password, visitor)
        codes = recovery_codes()

        def decide(user: User) -> Change:
            if user.totp_sealed is None:
                raise Refusal(409, "TOTP_NOT_ENABLED", "there is no second factor")
            hashes = [hash_recovery_code(each) for each in codes]
            facts = {"left_before": len(user.recovery_codes)}
            return Change("RECOVERY_CODES_RENEWED", {"recovery_codes": hashes}, facts)

        change_user(self._store, name, decide, signed=Signature(name, SERVICE))
        return codes

    def sessions(self, name: str) -> list[Document]:
        """Where they are logged in, the newest first."""
        return sessions_of(self._store, self.user(name))

    def end_session(self, name: str, session_id: str, *, what: str = "SESSION_ENDED") -> None:
        """End one of their sessions. Raises: Refusal (404)."""

        def work(session: ClientSession) -> bool:
            ended = end_session(self._store, name, session_id, session=session)
            if ended:
                self._audit(what, name, {"session_id": session_id}, session)
            return ended

        if not self._store.transaction(work):
            raise Refusal(404, "UNKNOWN_SESSION", f"you have no session {session_id!r}")

    def end_other_sessions(self, name: str, visitor: Visitor) -> Opened:
        """End all sessions of theirs but one, which goes on under another token."""

        def decide(_user: User) -> Change:
            return Change("SESSIONS_ENDED", {}, {}, ends_sessions=True)

        return self._change_and_stay(name, decide, visitor)

    def keys(self, name: str) -> list[Document]:
        """Their keys that open something, without what they are checked by."""
        now = utc_now()
        return [each for each in self._credentials(name) if is_valid(each, now)]

    def make_key(
        self,
        name: str,
        *,
        label: str,
        scopes: frozenset[Permission],
        expires_at: datetime | None,
    ) -> MadeKey:
        """A key for some of what they may do. Raises: Refusal."""
        user = self.user(name)
        beyond = scopes - PERMISSIONS[user.role]
        if beyond:
            words = ", ".join(sorted(beyond))
            sentence = f"no key of yours may do what {user.role} may not: {words}"
            raise Refusal(422, "SCOPE_BEYOND_ROLE", sentence, field="scopes")
        if expires_at is not None and expires_at <= utc_now():
            sentence = f"expires_at must be ahead, was {expires_at:%Y-%m-%dT%H:%M:%SZ}"
            raise Refusal(422, "BAD_EXPIRY", sentence, field="expires_at")
        if len(self.keys(name)) >= _MOST_KEYS:
            raise Refusal(409, "TOO_MANY_KEYS", f"you have {_MOST_KEYS} keys: revoke one first")
        secret, record = create_credential(CredentialKind.OPERATOR_KEY, label=label)
        record |= {"scopes": sorted(scopes), "expires_at": expires_at}
        facts = {
            "credential_id": record["credential_id"],
            "label": label,
            "scopes": record["scopes"],
            "expires_at": expires_at,
        }

        def work(session: ClientSession) -> None:
            update = {"$push": {"credentials": record}}
            self._store["users"].update_one({"_id": name}, update, session=session)
            self._audit("API_KEY_CREATED", name, facts, session)

        self._store.transaction(work)
        return MadeKey(secret, record["credential_id"])

    def revoke_key(self, name: str, key_id: str) -> None:
        """End a key. Raises: Refusal (404)."""

        def work(session: ClientSession) -> bool:
            mine = {"credential_id": key_id, "revoked_at": None}
            ended = self._store["users"].update_one(
                {"_id": name, "credentials": {"$elemMatch": mine}},
                {"$set": {"credentials.$.revoked_at": utc_now()}},
                session=session,
            )
            if ended.modified_count:
                self._audit("API_KEY_REVOKED", name, {"credential_id": key_id}, session)
            return ended.modified_count > 0

        if not self._store.transaction(work):
            raise Refusal(404, "UNKNOWN_KEY", f"you have no valid key {key_id!r}")

    def _credentials(self, name: str) -> list[Document]:
        found = self._store["users"].find_one({"_id": name}, {"credentials": 1})
        shown = ("credential_id", "label", "hint", "created_at", "expires_at", "revoked_at")
        return [
            {key: each.get(key) for key in (*shown, "last_used_at")}
            | {"scopes": sorted(scopes_of(each))}
            for each in (found or {}).get("credentials", [])
        ]

    def _change_and_stay(
        self, name: str, decide: Callable[[User], Change], visitor: Visitor
    ) -> Opened:
        """Change somebody, end all their sessions, and open the one that they go on with."""
        opened: list[Opened] = []

        def stay(user: User, session: ClientSession) -> None:
            opened[:] = [self._log_in.replace(user, visitor, session)]

        change_user(self._store, name, decide, signed=Signature(name, SERVICE), then=stay)
        return opened[0]

    def _audit(self, what: str, name: str, facts: Document, session: ClientSession) -> None:
        audit(
            self._store, what, service=SERVICE, by=name, facts={"of": name} | facts, session=session
        )

    def _seal(self, secret: str) -> str:
        try:
            return self._vault.seal(secret)
        except ConfigurationError as error:
            raise Refusal(503, "SECRET_KEY_UNUSABLE", str(error)) from error

    def _unseal(self, sealed: str) -> str:
        try:
            return self._vault.open(sealed)
        except ConfigurationError as error:
            raise Refusal(503, "SECRET_KEY_UNUSABLE", str(error)) from error
