"""HTTP of the gateway for operators: credentials of strategies, replay of signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel, Field

from services.common.callers import Caller, add_description, allow
from services.common.credentials import CredentialKind
from services.common.idempotency import IdempotencyKey, Repeatable, once
from services.common.operators import Operators, admit_operators
from services.common.problems import Refusal, problem_responses
from services.common.store import Document, Store
from services.domain.users import Permission
from services.domain.values import Instant
from services.signal_gateway.credentials import Credentials, Made
from services.signal_gateway.limits import RateLimits
from services.signal_gateway.replay import replay

_PROBLEMS = problem_responses(401, 403, 404, 409, 422, 429, 503)
#: A developer sees and makes the credentials of their own strategies.
Reader = Annotated[Caller, Depends(allow(Permission.READ, own=True))]
Owner = Annotated[Caller, Depends(allow(Permission.CONFIGURE, own=True))]
Trader = Annotated[Caller, Depends(allow(Permission.TRADE))]
_DAY_SECONDS = 86400.0


class NewCredential(BaseModel):
    """What to make."""

    kind: CredentialKind = CredentialKind.API_KEY
    label: str = Field("", max_length=100)


class Rotation(BaseModel):
    """How long the old one opens beside the new one."""

    overlap_s: float = Field(_DAY_SECONDS, ge=0, le=90 * _DAY_SECONDS)


class MadeCredential(BaseModel):
    """A new credential; the secret is shown this once."""

    credential_id: str
    kind: CredentialKind
    secret: str


class CredentialView(BaseModel):
    """A credential as it may be shown."""

    credential_id: str
    kind: CredentialKind
    label: str = ""
    hint: str = ""
    created_at: Instant
    expires_at: Instant | None = None
    revoked_at: Instant | None = None


class ReplayOrder(BaseModel):
    """How to replay: `fresh` counts the age of the signal from now."""

    fresh: bool = False


class Replayed(BaseModel):
    """The id under which a signal goes again."""

    signal_id: str


def add_operator_routes(
    app: FastAPI, store: Store, credentials: Credentials, limits: RateLimits
) -> None:
    """Serve persons who may; `limits` counts keys and sessions that opened nothing."""
    admit_operators(
        app, Operators(store), on_refusal=lambda address: limits.spend("failures", address)
    )
    add_description(app)
    _add_credentials(app, store, credentials)
    _add_replay(app, store)


def _add_credentials(app: FastAPI, store: Store, credentials: Credentials) -> None:
    _add_what_makes_credentials(app, store, credentials)

    @app.get(
        "/api/v1/strategies/{strategy_id}/credentials",
        response_model=list[CredentialView],
        responses=_PROBLEMS,
        tags=["operators"],
    )
    def list_credentials(strategy_id: str, _by: Reader) -> list[CredentialView]:
        """Every credential of a strategy, without its secret."""
        return [CredentialView.model_validate(each) for each in credentials.of(strategy_id)]

    @app.delete(
        "/api/v1/strategies/{strategy_id}/credentials/{credential_id}",
        status_code=204,
        responses=_PROBLEMS,
        tags=["operators"],
    )
    def revoke(strategy_id: str, credential_id: str, by: Owner) -> None:
        """End a credential now; gateways forget it within CREDENTIAL_CACHE_S."""
        credentials.revoke(strategy_id, credential_id, by=by.name)


def _add_what_makes_credentials(app: FastAPI, store: Store, credentials: Credentials) -> None:
    @app.post(
        "/api/v1/strategies/{strategy_id}/credentials",
        status_code=201,
        response_model=MadeCredential,
        responses=_PROBLEMS,
        tags=["operators"],
    )
    def create(
        strategy_id: str, asked: NewCredential, by: Owner, idempotency_key: IdempotencyKey = None
    ) -> MadeCredential:
        """A new key, webhook token or signing key; its secret is shown this once."""

        def act() -> MadeCredential:
            made = credentials.create(strategy_id, asked.kind, label=asked.label, by=by.name)
            return _shown(made)

        what = f"create credential {strategy_id}"
        return _once(store, Repeatable(by.name, idempotency_key, what, asked), act)

    @app.post(
        "/api/v1/strategies/{strategy_id}/credentials/{credential_id}/rotate",
        status_code=201,
        response_model=MadeCredential,
        responses=_PROBLEMS,
        tags=["operators"],
    )
    def rotate(
        strategy_id: str,
        credential_id: str,
        asked: Rotation,
        by: Owner,
        idempotency_key: IdempotencyKey = None,
    ) -> MadeCredential:
        """A successor; the old one opens for `overlap_s` seconds more."""

        def act() -> MadeCredential:
            overlap = asked.overlap_s
            made = credentials.rotate(
                strategy_id, credential_id, overlap_seconds=overlap, by=by.name
            )
            return _shown(made)

        what = f"rotate {strategy_id} {credential_id}"
        return _once(store, Repeatable(by.name, idempotency_key, what, asked), act)


def _add_replay(app: FastAPI, store: Store) -> None:
    @app.post(
        "/api/v1/signals/{signal_id}/replay",
        status_code=202,
        response_model=Replayed,
        responses=_PROBLEMS,
        tags=["operators"],
    )
    def replay_signal(
        signal_id: str, asked: ReplayOrder, by: Trader, idempotency_key: IdempotencyKey = None
    ) -> Replayed:
        """Send a denied, expired or quarantined signal again; one that traded is refused."""

        def act() -> Replayed:
            return Replayed(signal_id=replay(store, signal_id, by=by.name, fresh=asked.fresh))

        def recall(line: Document) -> Replayed:
            return Replayed(signal_id=line["facts"]["replay"])

        request = Repeatable(by.name, idempotency_key, f"replay signal {signal_id}", asked)
        return once(store, request, Replayed, act, recall)


def _once(store: Store, request: Repeatable, act: Callable[[], MadeCredential]) -> MadeCredential:
    """Make one credential for one key; its secret is kept nowhere, so a repeat cannot have it."""

    def recall(line: Document) -> MadeCredential:
        facts = line["facts"]
        made = facts.get("successor", facts["credential_id"])
        sentence = (
            f"this request has made {made} of {facts['of']} already, and its secret was shown "
            "then: revoke it and ask for another one, with a new Idempotency-Key"
        )
        raise Refusal(409, "SECRET_SHOWN", sentence)

    return once(store, request, None, act, recall)


def _shown(made: Made) -> MadeCredential:
    return MadeCredential(credential_id=made.credential_id, kind=made.kind, secret=made.secret)
