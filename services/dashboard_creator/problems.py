"""Every refusal as a code and a sentence."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException

from services.dashboard_creator.pages import Problem

_log = logging.getLogger(__name__)


class UnknownSignal(Exception):
    """There is no such signal."""


def add_problems(app: FastAPI) -> None:
    """Answer whatever goes wrong in one form."""
    app.add_exception_handler(UnknownSignal, _unknown_signal)
    app.add_exception_handler(RequestValidationError, _invalid_parameter)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PyMongoError, _no_store)
    app.add_exception_handler(ValidationError, _unreadable)


def _unknown_signal(_request: Request, error: Exception) -> JSONResponse:
    return _answer(404, "UNKNOWN_SIGNAL", str(error))


def _invalid_parameter(_request: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    parts = [f"{each['loc'][-1]}: {each['msg']}, was {each['input']!r}" for each in problems]
    return _answer(422, "INVALID_PARAMETER", "; ".join(parts))


def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(status, "REFUSED")
    return _answer(status, code, f"{request.method} {request.url.path} is not served here")


def _no_store(_request: Request, error: Exception) -> JSONResponse:
    _log.warning("a page could not be read: %s", type(error).__name__)
    return _answer(503, "STORE_UNAVAILABLE", f"the database failed: {type(error).__name__}")


def _unreadable(request: Request, error: Exception) -> JSONResponse:
    # Without the values: they are somebody's document, and may be more than a page shows.
    where = (
        error.errors(include_input=False, include_url=False)
        if isinstance(error, ValidationError)
        else type(error).__name__
    )
    _log.error("%s: a stored document has an unexpected shape: %s", request.url.path, where)
    return _answer(500, "UNREADABLE_DOCUMENT", "a stored document has an unexpected shape: see log")


def _answer(status: int, code: str, message: str) -> JSONResponse:
    problem = Problem(code=code, message=message)
    return JSONResponse(problem.model_dump(), status_code=status)
