"""Making, rotating and revoking the credentials of strategies; a secret is returned once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple, TypeVar

from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.credentials import CredentialKind, create_credential, is_valid
from services.common.problems import Refusal
from services.common.store import Document, Store
from services.common.vault import Vault
from services.domain.errors import ConfigurationError
from services.signal_gateway.authentication import SENDERS, is_sender

R = TypeVar("R")
_SHOWN = ("credential_id", "kind", "label", "hint", "created_at", "expires_at", "revoked_at")


class Made(NamedTuple):
    """A new credential; the secret is nowhere else."""

    secret: str
    credential_id: str
    kind: CredentialKind


class _Line(NamedTuple):
    """What the audit log says of a change, in the transaction that makes it."""

    what: str
    credential_id: str
    by: str
    successor: str = ""


class Credentials:
    """Credentials of strategies, and of the operators who may change them."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    def create(self, strategy_id: str, kind: CredentialKind, *, label: str = "", by: str) -> Made:
        """A new credential beside those there are. Raises: Refusal."""
        made, record = self._make(kind, label)

        def add(credentials: list[Document]) -> list[Document]:
            return [*credentials, record]

        line = _Line("CREDENTIAL_CREATED", made.credential_id, by)
        self._change(strategy_id, add, line)
        return made

    def rotate(
        self, strategy_id: str, credential_id: str, *, overlap_seconds: float, by: str
    ) -> Made:
        """A successor of the same kind; the old one opens for `overlap_seconds` more.

        Raises:
            Refusal: there is no such valid credential.
        """
        until = utc_now() + timedelta(seconds=overlap_seconds)
        kind = self._kind_of(strategy_id, credential_id)
        made, record = self._make(kind, "")

        def replace(credentials: list[Document]) -> list[Document]:
            old = _valid(credentials, strategy_id, credential_id)
            record["label"] = old.get("label", "")
            sooner = min(until, old.get("expires_at") or until)
            return [
                {**each, "expires_at": sooner} if each is old else each for each in credentials
            ] + [record]

        line = _Line("CREDENTIAL_ROTATED", credential_id, by, successor=made.credential_id)
        self._change(strategy_id, replace, line)
        return made

    def revoke(self, strategy_id: str, credential_id: str, *, by: str) -> None:
        """Let a credential open nothing any more. Raises: Refusal."""
        now = utc_now()

        def end(credentials: list[Document]) -> list[Document]:
            old = _valid(credentials, strategy_id, credential_id)
            return [{**each, "revoked_at": now} if each is old else each for each in credentials]

        self._change(strategy_id, end, _Line("CREDENTIAL_REVOKED", credential_id, by))

    def of(self, strategy_id: str) -> list[Document]:
        """All of a strategy's, without what they are checked by. Raises: Refusal."""
        found = self._store["strategies"].find_one({"_id": strategy_id}, {"credentials": 1})
        if found is None:
            raise _no_strategy(strategy_id)
        kind = {"kind": CredentialKind.API_KEY}  # of records older than kinds
        return [
            kind | {name: each[name] for name in _SHOWN if name in each}
            for each in found.get("credentials", [])
        ]

    def set_intake(
        self,
        strategy_id: str,
        *,
        senders: list[str] | None = None,
        defaults: Document | None = None,
        by: str,
    ) -> Document:
        """Set who may use the webhook and what signals may leave out; None leaves it as it is.

        Returns: both, as they are now.

        Raises:
            Refusal: there is no such strategy, or an address is none.
        """
        wrong = [each for each in senders or [] if not is_sender(each)]
        if wrong:
            raise Refusal(
                422,
                "UNKNOWN_VALUE",
                f"{', '.join(wrong)}: expected an address, a network or {', '.join(SENDERS)}",
            )
        given = {"webhook_senders": senders, "signal_defaults": defaults}
        changes = {name: value for name, value in given.items() if value is not None}
        strategies = self._store["strategies"]
        if changes:
            strategies.update_one({"_id": strategy_id}, {"$set": changes})
            audit(
                self._store,
                "INTAKE_CHANGED",
                service="signal_gateway",
                by=by,
                facts={"of": strategy_id, **changes},
            )
        found = strategies.find_one({"_id": strategy_id}, dict.fromkeys(given, 1))
        if found is None:
            raise _no_strategy(strategy_id)
        return {name: found.get(name) for name in given}

    def create_operator(self, name: str, *, by: str) -> Made:
        """A key for a person who may do what operators do."""
        made, record = self._make(CredentialKind.OPERATOR_KEY, "")
        added = {"$setOnInsert": {"role": "ADMIN"}, "$push": {"credentials": record}}
        line = _Line("OPERATOR_CREATED", made.credential_id, by)

        def work(session: ClientSession) -> None:
            self._store["users"].update_one({"_id": name}, added, upsert=True, session=session)
            self._audit(line, name, session)

        self._store.transaction(work)
        return made

    def _make(self, kind: CredentialKind, label: str) -> tuple[Made, Document]:
        secret, record = create_credential(kind, label=label)
        if kind is CredentialKind.SIGNING_KEY:
            try:
                record["sealed"] = self._vault.seal(secret)
            except ConfigurationError as error:
                raise Refusal(503, "SECRET_KEY_UNUSABLE", str(error)) from error
        return Made(secret, record["credential_id"], kind), record

    def _kind_of(self, strategy_id: str, credential_id: str) -> CredentialKind:
        found = _valid(self.of(strategy_id), strategy_id, credential_id)
        return CredentialKind(found["kind"])

    def _change(
        self, strategy_id: str, change: Callable[[list[Document]], list[Document]], line: _Line
    ) -> None:
        def work(session: ClientSession) -> None:
            strategies = self._store["strategies"]
            found = strategies.find_one({"_id": strategy_id}, {"credentials": 1}, session=session)
            if found is None:
                raise _no_strategy(strategy_id)
            after = change(found.get("credentials", []))
            strategies.update_one(
                {"_id": strategy_id}, {"$set": {"credentials": after}}, session=session
            )
            self._audit(line, strategy_id, session)

        self._store.transaction(work)

    def _audit(self, line: _Line, whose: str, session: ClientSession) -> None:
        facts = {"of": whose, "credential_id": line.credential_id}
        if line.successor:
            facts["successor"] = line.successor
        audit(
            self._store,
            line.what,
            service="signal_gateway",
            by=line.by,
            facts=facts,
            session=session,
        )


def _valid(credentials: list[Document], strategy_id: str, credential_id: str) -> Document:
    for each in credentials:
        if each["credential_id"] == credential_id and is_valid(each, utc_now()):
            return each
    raise Refusal(
        404,
        "UNKNOWN_CREDENTIAL",
        f"strategy {strategy_id} has no valid credential {credential_id!r}",
    )


def _no_strategy(strategy_id: str) -> Refusal:
    return Refusal(404, "UNKNOWN_STRATEGY", f"there is no strategy {strategy_id!r}")
