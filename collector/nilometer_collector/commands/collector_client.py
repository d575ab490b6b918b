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
    field: str = ""


class RequestRefused(NilometerError):
    """The collector answers with an error.

    Args:
        url: URL of the collector.
        status: HTTP status of the answer.
        detail: Reason.
        field: Place of the mistake in the request; may be empty.
    """

    def __init__(self, url: str, status: int, detail: str, field: str) -> None:
        super().__init__(f"{url} answers {status}: {detail}")
        self.detail, self.field = detail, field


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
            RequestRefused: If the collector answers with an error.
            NilometerError: If the collector does not answer.
        """
        content = self._content(method, path, parameters, body, seconds)
        try:
            return msgspec.json.decode(content, type=answer)
        except msgspec.DecodeError as error:
            raise self._no_answer(error) from error

    def send(self, method: str, path: str, *, parameters: Mapping[str, str]) -> None:
        """Call an operation whose response has no body.

        Raises:
            RequestRefused: If the collector answers with an error.
            NilometerError: If the collector does not answer.
        """
        self._content(method, path, parameters, None, ANSWER_SECONDS)

    def _content(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str | list[str]] | None,
        body: object,
        seconds: float,
    ) -> bytes:
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
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._no_answer(error) from error
        if response.is_error:
            problem = _problem_of(response)
            raise RequestRefused(self.url, response.status_code, problem.detail, problem.field)
        return response.content

    def _no_answer(self, error: Exception) -> NilometerError:
        return NilometerError(
            f"no answer from {self.url}: {error}: check that a collector runs there"
        )


def _problem_of(response: httpx.Response) -> _Problem:
    try:
        found = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.DecodeError:
        found = _Problem()
    return found if found.detail else _Problem(detail=response.reason_phrase)
