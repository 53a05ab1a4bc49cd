"""Asking processes and the database how they are."""

from __future__ import annotations

import http.client
import json
import re
import socket
import uuid
from enum import StrEnum
from typing import Any, NamedTuple

from bson.binary import Binary
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, NetworkTimeout, OperationFailure, PyMongoError

from scripts.launcher.errors import EXIT_CONFIGURATION, ScriptError
from services.common.settings import CommonSettings

_TIMEOUT_S = 5.0
_INTERNAL_ERROR = 1
_AUTHENTICATION_CODES = (13, 18, 8000)
_ONE_HOST = r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\])(?::\d+)?"
_HOSTS = re.compile(rf"{_ONE_HOST}(?:,{_ONE_HOST})*")


class Answer(NamedTuple):
    """What a process said about itself."""

    ready: bool
    detail: str
    report: dict[str, Any]


def health(host: str, port: int, *, timeout_s: float = 3.0) -> Answer:
    """Ask `/health`. Never raises: no answer is an answer too."""
    connection = http.client.HTTPConnection(host.strip("[]"), port, timeout=timeout_s)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        report = json.loads(response.read())
    except (OSError, http.client.HTTPException) as error:
        return Answer(False, f"no answer ({error or type(error).__name__})", {})
    except ValueError:
        return Answer(False, "something that is not ours answers", {})
    finally:
        connection.close()
    if not _is_ours(report):
        return Answer(False, "something that is not ours answers", {})
    missing = "; ".join(
        f"{name}: {state.get('detail') or 'not ok'}"
        for name, state in report["dependencies"].items()
        if not state.get("ok")
    )
    ready = response.status == http.client.OK and bool(report["ready"])
    return Answer(ready, missing or ("ready" if ready else "not ready"), report)


def _is_ours(report: object) -> bool:
    if not isinstance(report, dict) or "ready" not in report:
        return False
    dependencies = report.setdefault("dependencies", {})
    return isinstance(dependencies, dict) and all(
        isinstance(state, dict) for state in dependencies.values()
    )


def embedded_database(port: int, *, timeout_s: float = 1.0) -> Answer:
    """Ping the embedded database."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=timeout_s).close()
        _ping(f"mongodb://127.0.0.1:{port}/", timeout_s)
    except (OSError, PyMongoError) as error:
        return Answer(False, f"no answer ({_first_words(error)})", {})
    return Answer(True, "ready", {})


class Trouble(StrEnum):
    """Of an embedded database that answers a ping, and that only another start will mend."""

    BROKEN = "answers every question with an error, as after a full disk"
    STUCK = "ends no transaction any more"


def database_trouble(port: int, *, timeout_s: float = 1.0) -> Trouble | None:
    """What a ping does not tell of the embedded database; None where nothing is known to be wrong.

    After a write that failed, as on a full disk, WiredTiger refuses everything until it is opened
    anew. A transaction, and a change of many rows beside it, can wait for each other's locks for
    ever; whoever begins or ends a transaction then waits with them, so one that does not exist is
    asked to end. No answer at all is another matter: it may be slow or frozen.
    """
    milliseconds = int(timeout_s * 1000)
    client: MongoClient[dict[str, Any]] = MongoClient(
        f"mongodb://127.0.0.1:{port}/",
        serverSelectionTimeoutMS=milliseconds,
        connectTimeoutMS=milliseconds,
        socketTimeoutMS=milliseconds,
        retryReads=False,
    )
    try:
        client["admin"]["probe"].find_one({})
        try:
            client["admin"].command("endSessions", [{"id": Binary.from_uuid(uuid.uuid4())}])
        except NetworkTimeout:
            return Trouble.STUCK
    except OperationFailure as error:
        return Trouble.BROKEN if error.code == _INTERNAL_ERROR else None
    except PyMongoError:
        return None
    finally:
        client.close()
    return None


def check_database(settings: CommonSettings, *, timeout_s: float = _TIMEOUT_S) -> None:
    """Ping the database that MONGODB_URI names.

    Raises:
        ScriptError: it cannot be used; the sentence carries no credentials.
    """
    uri = settings.database_uri
    try:
        _ping(uri, timeout_s)
    except OperationFailure as error:
        if error.code in _AUTHENTICATION_CODES:
            raise ScriptError(
                f"the database at {hosts(uri)} refuses the user or password of MONGODB_URI",
                exit_code=EXIT_CONFIGURATION,
            ) from error
        raise ScriptError(f"the database at {hosts(uri)} refuses a ping ({error.code})") from error
    except (ConfigurationError, ValueError) as error:
        raise ScriptError(_unusable(uri), exit_code=EXIT_CONFIGURATION) from error
    except PyMongoError as error:
        raise ScriptError(
            f"the database at {hosts(uri)} (MONGODB_URI) does not answer within {timeout_s:g} s: "
            f"{_first_words(error)}"
        ) from error


def hosts(uri: str) -> str:
    """The hosts of a MongoDB URI; never a part that may be a user or password."""
    place = uri.partition("://")[2].rpartition("@")[2]
    named = place.partition("?")[0].partition("/")[0]
    return named if _HOSTS.fullmatch(named) else "an unreadable address"


def bus(settings: CommonSettings) -> Answer:
    """Whether the Pub/Sub server can be reached."""
    place = settings.pubsub_host
    if place is None:
        sentence = f"Google Cloud, project {settings.project_id}; see the processes"
        return Answer(True, sentence, {})
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except (OSError, ValueError) as error:
        return Answer(False, f"{place}: no answer ({error})", {})
    return Answer(True, place, {})


def _ping(uri: str, timeout_s: float) -> None:
    milliseconds = int(timeout_s * 1000)
    client: MongoClient[dict[str, Any]] = MongoClient(
        uri, serverSelectionTimeoutMS=milliseconds, connectTimeoutMS=milliseconds
    )
    try:
        client.admin.command("ping")
    finally:
        client.close()


def _unusable(uri: str) -> str:
    if uri.startswith("mongodb+srv://") and "@" in uri:
        return f"setting MONGODB_URI: DNS has no MongoDB servers for {hosts(uri)}"
    return (
        "setting MONGODB_URI cannot be used: expected "
        "mongodb://USER:PASSWORD@HOST:PORT/?replicaSet=NAME with special characters as %XX"
    )


def _first_words(error: Exception) -> str:
    return str(error).partition(" (configured")[0].partition(", Timeout:")[0][:200]
