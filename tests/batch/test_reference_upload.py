"""References are uploaded to a collector that may be away for a moment."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from nilometer.batch import collector_calls
from nilometer.batch.reference_upload import put_reference
from nilometer.values.errors import BatchRejected, CollectorUnavailable, ConfigError
from nilometer.wire.services import CollectorServiceServicer, PutReferenceReply, serve_collector
from nilometer.wire.services import Reference as WireReference
from nilometer_collector.testing import a_reference

REFERENCE = a_reference({"input.amount": [1.0, 2.0]})


class Collector(CollectorServiceServicer):
    """Refuses the first calls, with these codes, and keeps the names of later references."""

    def __init__(self) -> None:
        self.refuses: list[grpc.StatusCode] = []
        self.names: list[str] = []
        self._server = grpc.server(ThreadPoolExecutor(1))
        serve_collector(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def PutReference(
        self, request: WireReference, context: grpc.ServicerContext
    ) -> PutReferenceReply:
        if self.refuses:
            context.abort(self.refuses.pop(0), "the disk is full")
        self.names.append(request.name)
        return PutReferenceReply()

    def stop(self) -> None:
        self._server.stop(0).wait()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr(collector_calls, "RETRY_SECONDS", (0.0, 0.0))
    collector = Collector()
    yield collector
    collector.stop()


def put(collector: Collector) -> None:
    # This collector is of an older version: it stores no expiry.
    assert put_reference(REFERENCE, collector.address, expires_ns=4_070_908_800 * 10**9) is None


def test_a_collector_that_is_away_for_a_moment_gets_the_reference(collector: Collector) -> None:
    collector.refuses = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED]
    put(collector)
    assert collector.names == ["training"]


def test_a_collector_that_stays_away_is_an_error_with_the_reason(collector: Collector) -> None:
    collector.refuses = [grpc.StatusCode.UNAVAILABLE] * 4
    with pytest.raises(CollectorUnavailable, match=r"no collector answers at .*: the disk is full"):
        put(collector)
    assert len(collector.refuses) == 1


def test_a_url_is_refused_before_a_call() -> None:
    """The commands that read over HTTP take a URL, so it is a likely mistake."""
    with pytest.raises(ConfigError, match=r"'http://127\.0\.0\.1:7500': must be HOST:PORT"):
        put_reference(REFERENCE, "http://127.0.0.1:7500")


def test_a_refusal_is_not_repeated(collector: Collector) -> None:
    collector.refuses = [grpc.StatusCode.INVALID_ARGUMENT]
    with pytest.raises(BatchRejected, match="the disk is full"):
        put(collector)
    assert collector.names == []
