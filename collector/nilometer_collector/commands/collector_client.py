"""Calls the HTTP API of a collector from the command line."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec

from nilometer.client.client import Client
from nilometer.client.request import Conversation, Request, decoded
from nilometer.commands.collector_options import client_of

ANSWER_SECONDS = 10.0

A = TypeVar("A", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class CollectorClient:
    """A collector's HTTP API, whose answers are the structures of the collector itself.

    Attributes:
        connect: Function that returns a client, which is closed after each call.
    """

    connect: Callable[[], Client]

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "CollectorClient":
        """Return the client for ``--collector`` with the credentials of the command line."""
        return cls(partial(client_of, arguments))

    def call(
        self,
        method: str,
        path: str,
        answer: type[A],
        *,
        parameters: Mapping[str, str | list[str]] | None = None,
        body: object = None,
        seconds: float = ANSWER_SECONDS,
    ) -> A:
        """Return the response of an operation.

        Args:
            method: HTTP method.
            path: Path, which begins with ``/api/v1``.
            answer: Type of the response body.
            parameters: Query parameters.
            body: Request body; None sends none.
            seconds: Time to wait for the response.

        Raises:
            ConfigError: If the URL or a credential file cannot be used.
            Problem: If the collector refuses the request.
            NilometerError: If the collector does not answer.
        """
        request = _request(method, path, parameters, body, seconds)
        with self.connect() as client:
            return client.run(_asked(request, answer))

    def send(self, method: str, path: str, *, parameters: Mapping[str, str]) -> None:
        """Call an operation whose response has no body.

        Raises:
            ConfigError: If the URL or a credential file cannot be used.
            Problem: If the collector refuses the request.
            NilometerError: If the collector does not answer.
        """
        request = _request(method, path, parameters, None, ANSWER_SECONDS)
        with self.connect() as client:
            client.run(_told(request))


def _request(
    method: str,
    path: str,
    parameters: Mapping[str, str | list[str]] | Mapping[str, str] | None,
    body: object,
    seconds: float,
) -> Request:
    pairs = [
        (name, one)
        for name, value in (parameters or {}).items()
        for one in ([value] if isinstance(value, str) else value)
    ]
    return Request(
        method=method,
        path=path,
        parameters=pairs,
        body=None if body is None else msgspec.json.encode(body),
        seconds=seconds,
    )


def _asked(request: Request, answer: type[A]) -> Conversation[A]:
    body = yield request
    return decoded(body, answer)


def _told(request: Request) -> Conversation[None]:
    yield request
