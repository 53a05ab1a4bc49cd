"""Every refusal of every HTTP interface in one form: code, sentence, and the wrong field."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException

from services.domain.errors import TransientError

_log = logging.getLogger(__name__)
E = TypeVar("E", bound=Exception)
#: In the path of routes that secrets are sent to.
_SECRETS_ROUTES: Final = ("/secrets/", "/me/", "/auth/")
#: Of a wrong value, and of wrong values, that an answer says again.
_MOST_LETTERS: Final = 200
_MOST_FAULTS: Final = 10
_CODES = {400: "BROKEN_JSON", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


class Problem(BaseModel):
    """Why a request was refused."""

    code: str
    message: str
    field: str = ""


class Refusal(Exception):
    """A refused request: HTTP status, machine code, sentence, and the field that is wrong.

    Attributes:
        retry_after: seconds after which the same request may be accepted; None where it never is.
    """

    def __init__(
        self,
        status: int,
        code: str,
        sentence: str,
        *,
        field: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.field = field
        self.retry_after = 1 if retry_after is None and status == 503 else retry_after


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: these statuses answer with a `Problem`."""
    return {status: {"model": Problem} for status in statuses}


def add_problems(app: FastAPI) -> None:
    """Answer whatever goes wrong in that form."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid_parameter)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PyMongoError, _no_store)
    app.add_exception_handler(TransientError, _not_now)
    app.add_exception_handler(ValidationError, _unreadable)
    app.add_exception_handler(Exception, _broken)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)  # noqa: S101 - it is what this handler is registered for
    answer = _answer(error.status, error.code, str(error), field=error.field)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    if error.status == 413:  # or the server reads on, and throws away, for as long as it is sent
        answer.headers["Connection"] = "close"
    return answer


def translate(app: FastAPI, error: type[E], into: Callable[[E], Refusal]) -> None:
    """Answer an error of ours as a refusal."""
    app.add_exception_handler(
        error,
        lambda request, raised: _refused(request, into(raised)),
    )


def _invalid_parameter(request: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    route = getattr(request.scope.get("route"), "path", "")
    shown = not any(each in route for each in _SECRETS_ROUTES)
    parts = [_fault(each, shown=shown) for each in problems[:_MOST_FAULTS]]
    return _answer(422, "INVALID_PARAMETER", "; ".join(parts))


def _fault(problem: Mapping[str, Any], *, shown: bool) -> str:
    """What is wrong with one value; where secrets are sent, without it."""
    if problem["type"] == "json_invalid":
        return f"the body is not JSON: {problem['ctx']['error']} at character {problem['loc'][-1]}"
    was = f", was {_shortened(problem['input'])}" if shown else ""
    return f"{_place(problem['loc'])}: {problem['msg']}{was}"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


def _place(loc: Sequence[object]) -> str:
    """Where in the request: `limits.0.scope`; that it is the body, query or path says nothing."""
    return ".".join(map(str, loc[1:] or loc))


def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    sentence = f"{request.method} {request.url.path} is not served here"
    if status == 400:  # the framework could not even parse the body
        sentence = "the body cannot be read"
    return _answer(status, _CODES.get(status, "REFUSED"), sentence)


def _no_store(_request: Request, error: Exception) -> JSONResponse:
    _log.warning("the database failed: %s", type(error).__name__)
    return _answer(503, "STORE_UNAVAILABLE", f"the database failed: {type(error).__name__}")


def _not_now(_request: Request, error: Exception) -> JSONResponse:
    return _answer(503, "STORE_UNAVAILABLE", str(error))


def _unreadable(request: Request, error: Exception) -> JSONResponse:
    # Without the values: they are somebody's document, and may be more than a page shows.
    where = (
        error.errors(include_input=False, include_url=False)
        if isinstance(error, ValidationError)
        else type(error).__name__
    )
    route = getattr(request.scope.get("route"), "path", "")  # not the path: it may hold a secret
    _log.error("%s: a stored document has an unexpected shape: %s", route, where)
    return _answer(500, "UNREADABLE_DOCUMENT", "a stored document has an unexpected shape: see log")


def _broken(_request: Request, _error: Exception) -> JSONResponse:
    # The server logs it with its traceback.
    return _answer(500, "INTERNAL_ERROR", "this is our fault: the log of the service says more")


def _answer(status: int, code: str, message: str, *, field: str = "") -> JSONResponse:
    problem = Problem(code=code, message=message, field=field)
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse(problem.model_dump(), status_code=status, headers=headers)
