"""Who is asking: by key, by signature, by the token of a webhook, by a passphrase in the body."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.common.clock import utc_now
from services.common.credentials import CredentialKind, hash_key, is_valid
from services.common.kept import Kept
from services.common.problems import Refusal
from services.common.store import Document, Store
from services.common.vault import Vault
from services.domain.errors import ConfigurationError
from services.signal_gateway.limits import RateLimits

_log = logging.getLogger(__name__)
_K = CredentialKind
_TIMESTAMP_DIGITS = 12
_PASSPHRASES = frozenset({_K.API_KEY, _K.WEBHOOK_TOKEN})
_MISSING = Refusal(401, "MISSING_KEY", "send the strategy key as 'Authorization: Bearer <key>'")

#: Lists of addresses that an allow-list may name.
SENDERS: Final[Mapping[str, tuple[str, ...]]] = {
    # https://www.tradingview.com/support/solutions/43000529348
    "TRADINGVIEW": ("52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7")
}


class Claim(NamedTuple):
    """What the headers say about who is asking; `signed` is of `timestamp + "." + body`."""

    bearer: str | None = None
    key_id: str | None = None
    timestamp: str | None = None
    signature: str | None = None


class Caller(NamedTuple):
    """A strategy that proved itself.

    Attributes:
        signal_defaults: what its operator set for fields that its signals leave out.
        webhook_senders: addresses that may use its webhook; none = all.
        signed_at: epoch seconds of a signed request.
    """

    strategy_id: str
    credential_id: str
    kind: CredentialKind
    signal_defaults: Mapping[str, Any] | None = None
    webhook_senders: tuple[str, ...] = ()
    signed_at: int | None = None


class Authenticator:
    """Finds strategies by their credentials.

    A good credential always opens, however many bad ones came from the same address: charting
    services send for all their users from a few addresses.
    """

    def __init__(
        self,
        store: Store,
        limits: RateLimits,
        vault: Vault,
        *,
        cache_seconds: float,
        signature_window_seconds: float,
    ) -> None:
        self._store = store
        self._limits = limits
        self._vault = vault
        self._window = signature_window_seconds
        self._by = Kept(self._find, seconds=cache_seconds)

    def _find(self, given: tuple[str, str]) -> Document | None:
        """The strategy with a credential of this hash or id."""
        name, value = given
        return self._store["strategies"].find_one(
            {f"credentials.{name}": value},
            {"credentials": 1, "signal_defaults": 1, "webhook_senders": 1},
        )

    def by_headers(self, claim: Claim, body: bytes, *, remote: str) -> Caller | None:
        """By key or signature; None where the headers say nothing. Raises: Refusal."""
        if claim.bearer:
            return self._open(claim.bearer, {_K.API_KEY}, remote)
        if claim.signature or claim.key_id or claim.timestamp:
            return self._by_signature(claim, body, remote)
        return None

    def by_webhook_token(self, token: str, *, remote: str) -> Caller:
        """By the token in the path of a webhook. Raises: Refusal."""
        return self._open(token, {_K.WEBHOOK_TOKEN}, remote)

    def by_passphrase(self, secret: str | None, *, remote: str | None) -> Caller:
        """By a secret in the body. Raises: Refusal."""
        if not secret:
            raise _MISSING
        return self._open(secret, _PASSPHRASES, remote)

    def check_sender(self, caller: Caller, remote: str) -> None:
        """Raise Refusal unless this address may use what the strategy gave its webhook."""
        if not allowed_sender(remote, caller.webhook_senders):
            raise Refusal(
                403,
                "SENDER_NOT_ALLOWED",
                f"{remote} is not among the addresses that may send for {caller.strategy_id}",
            )

    def _open(
        self,
        secret: str,
        kinds: Collection[CredentialKind],
        remote: str | None,
    ) -> Caller:
        digest = hash_key(secret)
        strategy = self._by(("key_hash", digest))
        credential = _credential(strategy, "key_hash", digest)
        if strategy is None or credential is None or credential["kind"] not in kinds:
            raise self._refused(remote, "WRONG_KEY", "this key is unknown, revoked or of this door")
        return _caller(strategy, credential)

    def _by_signature(self, claim: Claim, body: bytes, remote: str) -> Caller:
        if not (claim.key_id and claim.timestamp and claim.signature):
            raise Refusal(
                401,
                "BAD_SIGNATURE",
                "a signed request has the headers X-MT-Key, X-MT-Timestamp and X-MT-Signature",
            )
        strategy = self._by(("credential_id", claim.key_id))
        credential = _credential(strategy, "credential_id", claim.key_id)
        if strategy is None or credential is None or credential["kind"] != _K.SIGNING_KEY:
            raise self._refused(remote, "WRONG_KEY", "this signing key is unknown or revoked")
        if not hmac.compare_digest(
            signature_of(self._secret_of(credential), claim.timestamp, body),
            claim.signature.strip().lower().encode(),
        ):
            raise self._refused(
                remote, "BAD_SIGNATURE", "the signature is not that of this timestamp and body"
            )
        digits = claim.timestamp.isdecimal() and len(claim.timestamp) <= _TIMESTAMP_DIGITS
        signed_at = int(claim.timestamp) if digits else 0
        age = utc_now().timestamp() - signed_at
        if abs(age) > self._window:
            raise Refusal(
                401,
                "SIGNATURE_EXPIRED",
                f"it was signed {age:.0f} s ago, at most {self._window:.0f} s are allowed",
            )
        return _caller(strategy, credential)._replace(signed_at=signed_at)

    def _secret_of(self, credential: Document) -> str:
        try:
            return self._vault.open(credential["sealed"])
        except ConfigurationError as error:
            _log.error("signing key %s: %s", credential["credential_id"], error)
            raise Refusal(
                503, "SECRET_KEY_UNUSABLE", "signatures cannot be checked now: retry"
            ) from error

    def _refused(self, remote: str | None, code: str, sentence: str) -> Refusal:
        """The refusal of a wrong credential, or 429 where too many came from that address."""
        if remote is not None:
            self._limits.spend("failures", remote)
        return Refusal(401, code, sentence)


def signature_of(secret: str, timestamp: str, body: bytes) -> bytes:
    """HMAC-SHA256 of `timestamp + "." + body`, lower-case hex."""
    signed = timestamp.encode("utf-8", "replace") + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()


def allowed_sender(address: str, senders: Sequence[str]) -> bool:
    """Whether `address` is in the list: addresses, networks (CIDR), names of `SENDERS`."""
    if not senders:
        return True
    try:
        sender = ipaddress.ip_address(address)
    except ValueError:
        return False
    listed = [each for name in senders for each in SENDERS.get(name.upper(), (name,))]
    return any(_in_network(sender, each) for each in listed)


def is_sender(text: str) -> bool:
    """Whether an allow-list may hold this: an address, a network (CIDR), or a name of `SENDERS`."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return text.upper() in SENDERS
    return True


def _in_network(sender: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    try:
        return sender in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _credential(strategy: Document | None, name: str, value: str) -> Document | None:
    """The valid credential of that hash or id; the kind of an old record is API_KEY."""
    for each in (strategy or {}).get("credentials", []):
        if each.get(name) == value and is_valid(each, utc_now()):
            return {"kind": _K.API_KEY, **each}
    return None


def _caller(strategy: Document, credential: Document) -> Caller:
    return Caller(
        strategy_id=strategy["_id"],
        credential_id=credential["credential_id"],
        kind=CredentialKind(credential["kind"]),
        signal_defaults=strategy.get("signal_defaults"),
        webhook_senders=tuple(strategy.get("webhook_senders") or ()),
    )
