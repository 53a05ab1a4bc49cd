"""What admins do with users: make, change, disable, give a password for one log-in."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.operators import user_of
from services.common.passwords import Passwords, one_time_password
from services.common.problems import Refusal
from services.common.store import Document, Store
from services.common.users import (
    Change,
    Signature,
    change_user,
    new_password_fields,
    reset_password,
    unknown_user,
)
from services.dashboard_creator.log_in import SERVICE
from services.domain.users import Role, User, UserStatus

_SHOWN: Final = ("role", "status", "display_name", "email", "strategies")
#: What ends sessions when it changes: what they may do.
_POWERS: Final = frozenset({"role", "status", "strategies"})


class Created(NamedTuple):
    """A new user, and the password that they change at their first log-in."""

    user: User
    password: str


class Users:
    """Every change has its line in the audit log; the last admin stays."""

    def __init__(self, store: Store, passwords: Passwords) -> None:
        self._store = store
        self._passwords = passwords

    def all(self) -> list[User]:
        """Everybody, by name."""
        return [user_of(each) for each in self._store["users"].find().sort("_id")]

    def create(self, name: str, fields: Document, *, by: str) -> Created:
        """Somebody new. Raises: Refusal (409, 422)."""
        password = one_time_password()
        blank = User(name=name, role=Role(fields["role"]), version=1)
        user = self._checked(blank.model_copy(update=fields))
        hashed = self._passwords.hash(password)

        def work(session: ClientSession) -> None:
            self._take_turn(session)
            taken = [each["_id"] for each in self._store["users"].find({}, {"_id": 1})]
            same = [each for each in taken if each.casefold() == name.casefold()]
            if same:
                sentence = f"there is a user {same[0]!r}"
                raise Refusal(409, "USER_EXISTS", sentence, field="name")
            row = {key: getattr(user, key) for key in _SHOWN} | {
                "strategies": list(user.strategies),
                "created_at": utc_now(),
                "version": 1,
                **new_password_fields(user, hashed, by_other=True),
            }
            self._store["users"].insert_one({"_id": name, **row}, session=session)
            self._audit("USER_CREATED", by, {"of": name, "after": _facts(user)}, session)

        self._store.transaction(work)
        return Created(user, password)

    def change(self, name: str, fields: dict[str, Any], *, version: int, by: str) -> User:
        """Set the fields that are named; one whose powers change must log in again.

        Raises:
            Refusal: 404 nobody, 409 changed meanwhile, oneself, or the last admin; 422.
        """

        def decide(user: User) -> Change:
            if user.version != version:
                sentence = f"somebody changed {name} meanwhile: it is version {user.version} now"
                raise Refusal(409, "VERSION_CHANGED", sentence, field="version")
            after = self._checked(user.model_copy(update=fields))
            changed = {key for key in fields if getattr(user, key) != getattr(after, key)}
            if changed & _POWERS and name == by:
                sentence = "you cannot change your own role, status or strategies: ask an admin"
                raise Refusal(409, "OWN_POWERS", sentence)
            self._keep_an_admin(user, after)
            return Change(
                "USER_CHANGED",
                {key: _plain(getattr(after, key)) for key in changed},
                {"before": _facts(user, changed), "after": _facts(after, changed)},
                ends_sessions=bool(changed & _POWERS),
            )

        def after_others(_user: User, session: ClientSession) -> None:
            self._take_turn(session)

        return change_user(
            self._store, name, decide, signed=Signature(by, SERVICE), then=after_others
        )

    def disable(self, name: str, *, by: str) -> User:
        """Let nothing of theirs open anything, within two seconds. Raises: Refusal."""
        version = next((each.version for each in self.all() if each.name == name), 0)
        return self.change(name, {"status": UserStatus.DISABLED}, version=version, by=by)

    def reset_password(self, name: str, *, by: str, without_second_factor: bool) -> str:
        """A password for one log-in; all their sessions are over. Raises: Refusal (404)."""
        return reset_password(
            self._store,
            self._passwords,
            name,
            signed=Signature(by, SERVICE),
            without_second_factor=without_second_factor,
        )

    def end_sessions(self, name: str, *, by: str) -> User:
        """End all their sessions. Raises: Refusal (404)."""

        def decide(_user: User) -> Change:
            return Change("SESSIONS_ENDED", {}, {}, ends_sessions=True)

        return change_user(self._store, name, decide, signed=Signature(by, SERVICE))

    def revoke_keys(self, name: str, *, by: str) -> User:
        """End all their keys. Raises: Refusal (404)."""

        def work(session: ClientSession) -> User:
            found = self._store["users"].find_one({"_id": name}, session=session)
            if found is None:
                raise unknown_user(name)
            now, keys = utc_now(), found.get("credentials", [])
            ended = [{**each, "revoked_at": each.get("revoked_at") or now} for each in keys]
            update = {"$set": {"credentials": ended}}
            self._store["users"].update_one({"_id": name}, update, session=session)
            revoked = sum(each.get("revoked_at") is None for each in keys)
            self._audit("API_KEYS_REVOKED", by, {"of": name, "revoked": revoked}, session)
            return user_of(found)

        return self._store.transaction(work)

    def _checked(self, user: User) -> User:
        """The same with nothing that cannot be. Raises: Refusal (422)."""
        strategies = tuple(sorted(set(user.strategies)))
        if strategies and user.role is not Role.DEVELOPER:
            sentence = f"only a DEVELOPER has strategies of their own, this is {user.role}"
            raise Refusal(422, "STRATEGIES_OF_ROLE", sentence, field="strategies")
        known = self._store["strategies"].distinct("_id", {"_id": {"$in": list(strategies)}})
        unknown = sorted(set(strategies) - set(known))
        if unknown:
            sentence = f"there is no strategy {', '.join(map(repr, unknown))}"
            raise Refusal(422, "UNKNOWN_STRATEGY", sentence, field="strategies")
        return user.model_copy(update={"strategies": strategies})

    def _keep_an_admin(self, before: User, after: User) -> None:
        """Raise Refusal (409) where nobody could administer any more."""
        if not _administers(before) or _administers(after):
            return
        if not any(_administers(each) for each in self.all() if each.name != before.name):
            raise Refusal(409, "LAST_ADMIN", f"{before.name} is the last admin who can log in")

    def _take_turn(self, session: ClientSession) -> None:
        """Of two such changes at once, one comes after the other: both look at everybody."""
        self._store["sequences"].update_one(
            {"_id": "users"}, {"$inc": {"changes": 1}}, upsert=True, session=session
        )

    def _audit(self, what: str, by: str, facts: Document, session: ClientSession) -> None:
        audit(self._store, what, service=SERVICE, by=by, facts=facts, session=session)


def _administers(user: User) -> bool:
    return user.role is Role.ADMIN and user.is_active and user.password_hash is not None


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _facts(user: User, names: set[str] | frozenset[str] = frozenset(_SHOWN)) -> Document:
    return {name: _plain(getattr(user, name)) for name in _SHOWN if name in names}
