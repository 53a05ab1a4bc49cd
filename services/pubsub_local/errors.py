"""How a call ends that is not answered."""

from __future__ import annotations

import grpc


class Refused(Exception):
    """The call ends with this status; the sentence says what was expected and what was found."""

    def __init__(self, code: grpc.StatusCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def invalid(sentence: str) -> Refused:
    """INVALID_ARGUMENT: the same request will never be accepted."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, sentence)


def not_found(name: str) -> Refused:
    """NOT_FOUND, in the service's words."""
    return Refused(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name}).")


def already_exists(name: str) -> Refused:
    """ALREADY_EXISTS, in the service's words."""
    return Refused(
        grpc.StatusCode.ALREADY_EXISTS, f"Resource already exists in the project (resource={name})."
    )


def unimplemented(feature: str) -> Refused:
    """UNIMPLEMENTED: Google has it, this server does not."""
    sentence = f"{feature} is not available in the local Pub/Sub server; use Google Cloud Pub/Sub."
    return Refused(grpc.StatusCode.UNIMPLEMENTED, sentence)


def unavailable(sentence: str) -> Refused:
    """UNAVAILABLE: try again; clients do so by themselves."""
    return Refused(grpc.StatusCode.UNAVAILABLE, sentence)
