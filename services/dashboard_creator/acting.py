"""What the routes of acts have in common: who may, why, and how a refusal is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

from fastapi import Depends
from pydantic import StringConstraints

from services.common.callers import Caller, allow
from services.common.problems import Refusal, problem_responses
from services.common.signed import Signed
from services.domain.errors import ConfigurationError
from services.domain.users import Permission

Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Trader = Annotated[Caller, Depends(allow(Permission.TRADE))]
Configurer = Annotated[Caller, Depends(allow(Permission.CONFIGURE))]
Owner = Annotated[Caller, Depends(allow(Permission.OWN))]
#: Why somebody wants it; goes to the audit log.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
READS: Final = problem_responses(401, 403, 404, 422, 503)
ACTS: Final = problem_responses(401, 403, 404, 409, 422, 503)


def signed(caller: Caller, reason: str) -> Signed:
    """Who asks, and why."""
    return Signed(caller.name, reason)


@contextmanager
def refused_as(code: str, status: int = 409) -> Iterator[None]:
    """Answer what a rule of the system refuses with this code."""
    try:
        yield
    except ConfigurationError as error:
        raise Refusal(status, code, str(error)) from error
