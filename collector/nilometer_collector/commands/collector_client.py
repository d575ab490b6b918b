"""Calls the HTTP API of a collector from the command line."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import httpx
import msgspec

from nilometer.commands.credentials import credentials_of, require_private_url, tls_context
from nilometer.settings.credentials import Credentials
from nilometer.values.errors import ConfigError, NilometerError

ANSWER_SECONDS = 10.0

A = TypeVar("A", bound=msgspec.Struct)


class _Problem(msgspec.Struct):
    """Problem details of an error response."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class CollectorClient:
    """A collector's HTTP API, with the credentials of the command line."""

    url: str
    credentials: Credentials

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "CollectorClient":
        """Return the client for ``--collector`` with the credentials of the command line.

        Raises:
            ConfigError: If the URL or a credential file cannot be used.
        """
        credentials = credentials_of(arguments)
        require_private_url(arguments.collector, credentials)
        return cls(arguments.collector.rstrip("/"), credentials)

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
            NilometerError: If the collector does not answer, or refuses the request.
        """
        try:
            token = self.credentials.bearer()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"token_file cannot be read: {error}") from error
        headers = {"authorization": f"Bearer {token}"} if token else {}
        content = None
        if body is not None:
            content = msgspec.json.encode(body)
            headers["content-type"] = "application/json"
        try:
            response = httpx.request(
                method,
                self.url + path,
                params=dict(parameters or {}),
                content=content,
                headers=headers,
                timeout=httpx.Timeout(ANSWER_SECONDS, read=seconds),
                trust_env=False,
                verify=tls_context(self.credentials),
            )
            if response.is_error:
                raise NilometerError(f"{self.url} answers {response.status_code}: {_why(response)}")
            return msgspec.json.decode(response.content, type=answer)
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError) as error:
            raise NilometerError(
                f"no answer from {self.url}: {error}: check that a collector runs there"
            ) from error


def _why(response: httpx.Response) -> str:
    try:
        return msgspec.json.decode(response.content, type=_Problem).detail or response.reason_phrase
    except msgspec.DecodeError:
        return response.reason_phrase
