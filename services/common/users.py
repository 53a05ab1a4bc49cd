"""People in the store: found, changed with a line in the audit log, and the first admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.lockouts import Lockouts
from services.common.operators import user_of
from services.common.passwords import HISTORY, Passwords, one_time_password
from services.common.problems import Refusal
from services.common.store import Document, Store
from services.domain.users import Role, User

FIRST_ADMIN: Final = "admin"


class Change(NamedTuple):
    """What becomes of somebody.

    Attributes:
        what: machine code for the audit log.
        fields: that are set.
        facts: for the audit log, without a secret.
        ends_sessions: whether whoever is logged in must log in again.
    """

    what: str
    fields: dict[str, Any]
    facts: dict[str, Any]
    ends_sessions: bool = False


class Signature(NamedTuple):
    """Who changes something, and through which part of the system."""

    by: str
    service: str


def find_user(store: Store, name: str, *, session: ClientSession | None = None) -> User | None:
    """Somebody; None where nobody is called that."""
    found = store["users"].find_one({"_id": name}, session=session)
    return user_of(found) if found else None


def change_user(
    store: Store,
    name: str,
    decide: Callable[[User], Change],
    *,
    signed: Signature,
    then: Callable[[User, ClientSession], None] = lambda _user, _session: None,
) -> User:
    """Change somebody as `decide` says of how they are, all or nothing.

    Args:
        store: the database.
        name: whom.
        decide: may be asked several times; raises Refusal where it cannot be.
        signed: for the audit log.
        then: what else belongs to it, with how they are afterwards.

    Raises:
        Refusal: 404, nobody is called that.
    """

    def work(session: ClientSession) -> User:
        user = find_user(store, name, session=session)
        if user is None:
            raise unknown_user(name)
        change = decide(user)
        fields = change.fields | {
            "version": user.version + 1,
            "session_epoch": user.session_epoch + change.ends_sessions,
        }
        store["users"].update_one({"_id": name}, {"$set": fields}, session=session)
        facts = {"of": name} | change.facts
        audit(
            store, change.what, service=signed.service, by=signed.by, facts=facts, session=session
        )
        after = user.model_copy(update=fields)
        then(after, session)
        return after

    return store.transaction(work)


def new_password_fields(user: User, password_hash: str, *, by_other: bool) -> Document:
    """What is set when somebody has a new password; the former one is remembered as such."""
    former = (*user.password_history, *([user.password_hash] if user.password_hash else []))
    return {
        "password_hash": password_hash,
        "password_history": list(former[-HISTORY:]),
        "password_changed_at": utc_now(),
        "must_change_password": by_other,
    }


def reset_password(
    store: Store,
    passwords: Passwords,
    name: str,
    *,
    signed: Signature,
    without_second_factor: bool = False,
) -> str:
    """Give somebody a password for one log-in; whoever is logged in as them no longer is.

    Raises:
        Refusal: 404, nobody is called that.
    """
    password = one_time_password()
    hashed = passwords.hash(password)

    def decide(user: User) -> Change:
        fields = new_password_fields(user, hashed, by_other=True)
        if without_second_factor:
            fields |= {"totp_sealed": None, "totp_pending": None, "recovery_codes": []}
        facts = {"second_factor_removed": without_second_factor and user.totp_sealed is not None}
        return Change("PASSWORD_RESET", fields, facts, ends_sessions=True)

    change_user(store, name, decide, signed=signed)
    Lockouts(store).clear(name)
    return password


def create_first_admin(store: Store, passwords: Passwords) -> str | None:
    """The password of a new `admin` where nobody can log in yet; None where somebody can.

    Whoever starts first makes it: of two starts at once, one is told.
    """
    users = store["users"]
    if users.find_one({"password_hash": {"$type": "string"}}, {"_id": 1}):
        return None
    password = one_time_password()
    user = User(name=FIRST_ADMIN, role=Role.ADMIN)
    fields = new_password_fields(user, passwords.hash(password), by_other=True)

    def work(session: ClientSession) -> bool:
        kept = users.find_one({"_id": FIRST_ADMIN}, session=session)
        if kept is not None and kept.get("password_hash"):
            return False
        if kept is None:
            made = {"role": Role.ADMIN, "created_at": utc_now(), "version": 1}
            users.insert_one({"_id": FIRST_ADMIN, **made, **fields}, session=session)
        else:  # somebody called their operator key that
            users.update_one({"_id": FIRST_ADMIN}, {"$set": fields}, session=session)
        audit(
            store,
            "FIRST_ADMIN_CREATED",
            service="operator",
            by="start.py",
            facts={"of": FIRST_ADMIN},
            session=session,
        )
        return True

    try:
        return password if store.transaction(work) else None
    except DuplicateKeyError:
        return None


def unknown_user(name: str) -> Refusal:
    """For a name that nobody has."""
    return Refusal(404, "UNKNOWN_USER", f"there is no user {name!r}")
