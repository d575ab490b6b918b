"""Calls from a command to a collector, with credentials and retries."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import grpc

from nilometer.settings.credentials import NO_CREDENTIALS, Credentials
from nilometer.values.errors import BatchRejected, CollectorUnavailable, ConfigError
from nilometer.wire.channel import call_metadata, open_channel
from nilometer.wire.services import collector_stub

DEADLINE_SECONDS = 10.0  # limit for one attempt
RETRY_SECONDS = (1.0, 2.0)  # waits before the second and the third attempt

_UNAVAILABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}

Call: TypeAlias = Callable[..., Any]  # a method of the collector's stub


class CollectorCalls:
    """Calls to one collector over one channel.

    Args:
        collector: Address of the collector, ``host:port``.
        stub: Client of the collector.
        metadata: Metadata of each call.
    """

    def __init__(self, collector: str, stub: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self._collector = collector
        self._metadata = metadata
        self.stub = stub

    def call(self, method: Call, message: object, what: str) -> Any:
        """Call *method* with *message*, up to three times if the collector does not answer.

        Args:
            method: Method of `stub`.
            message: Request.
            what: Noun for the request in an error message.

        Raises:
            CollectorUnavailable: If the collector does not answer; the message has gRPC's reason.
            BatchRejected: If the collector refuses the request.
        """
        for seconds in RETRY_SECONDS:
            try:
                return self._once(method, message, what)
            except CollectorUnavailable:
                time.sleep(seconds)
        return self._once(method, message, what)

    def _once(self, method: Call, message: object, what: str) -> Any:
        try:
            return method(message, timeout=DEADLINE_SECONDS, metadata=self._metadata)
        except grpc.RpcError as error:
            why = error.details()
            if error.code() in _UNAVAILABLE:
                raise CollectorUnavailable(
                    f"no collector answers at {self._collector}: {why}"
                ) from error
            raise BatchRejected(f"the collector refused the {what}: {why}") from error


@contextmanager
def calls_to(collector: str, credentials: Credentials = NO_CREDENTIALS) -> Iterator[CollectorCalls]:
    """Open a channel to the collector at ``host:port`` for the duration of the block.

    Raises:
        ConfigError: If *collector* is a URL, or the token would be sent without TLS.
    """
    if "://" in collector:
        raise ConfigError(
            f"collector = {collector!r}: must be HOST:PORT, the collector's grpc_address, such as "
            "127.0.0.1:7501; only commands that read over HTTP take a URL"
        )
    metadata = call_metadata(collector, credentials)
    with open_channel(collector, credentials) as channel:
        yield CollectorCalls(collector, collector_stub(channel), metadata)
