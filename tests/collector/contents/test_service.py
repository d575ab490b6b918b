"""The figures of requests, streams and WebSockets as the API shows them."""

import numpy as np
import pytest

from nilometer.profile import ServiceProfile, Streams, WebSockets
from nilometer.values.window import Window
from nilometer_collector.contents.service import service_view
from nilometer_collector.errors import Refused
from nilometer_collector.limits.service import check_service

WINDOW = Window(0, 60_000_000_000)


def service(streams: Streams | None = None, sockets: WebSockets | None = None) -> ServiceProfile:
    return ServiceProfile.of(
        outcomes={"ok": 1},
        statuses={"200": 1},
        latencies=[0.5],
        request_sizes=[1],
        response_sizes=[1],
        streams=streams,
        websockets=sockets or WebSockets(),
    )


def test_the_times_of_tokens_are_shown_beside_those_of_chunks() -> None:
    streams = Streams.of(
        ends={"completed": 1, "cut": 1},
        first_bytes=[0.125],
        gaps=np.array([0.25]),
        chunks=2,
        first_tokens=[0.5],
        first_reasonings=[0.25],
        per_tokens=[0.0625],
    )
    view = service_view(service(streams), WINDOW)
    assert view.stream_ends == {"completed": 1, "cut": 1}
    for shown, seconds in (
        (view.first_byte_quantiles_seconds, 0.125),
        (view.first_token_quantiles_seconds, 0.5),
        (view.first_reasoning_quantiles_seconds, 0.25),
        (view.per_token_quantiles_seconds, 0.0625),
    ):
        assert shown["0.5"] == pytest.approx(seconds, rel=0.011)
    assert view.websockets is None
    assert service_view(service(), WINDOW).first_token_quantiles_seconds == {}


def test_websockets_are_shown_apart() -> None:
    sockets = WebSockets.of(
        ends=["closed", "closed", "server_error"],
        close_codes=[1000, 1000, 0],
        durations=[2.0, 2.0, 2.0],
        messages=(3, 4),
        sizes=(30, 40),
    )
    view = service_view(service(sockets=sockets), WINDOW)
    assert view.requests == 1
    assert view.websockets is not None
    assert view.websockets.connections == 3
    assert view.websockets.ends == {"closed": 2, "server_error": 1}
    assert view.websockets.close_codes == {"1000": 2}
    assert (view.websockets.messages_received, view.websockets.bytes_sent) == (3, 40)
    statistics = ServiceProfile.statistics()
    profile = service(sockets=sockets)
    assert statistics["websocket_connections"](profile) == 3
    assert statistics["websocket_error_ratio"](profile) == pytest.approx(1 / 3)
    assert statistics["websocket_error_ratio"](service()) is None


def test_websockets_that_cannot_be_stored_are_refused() -> None:
    for wrong in (
        WebSockets(ends={"closed": -1}),
        WebSockets(ends={"closed": 1}, messages_received=1 << 60),
        WebSockets(ends={"closed": 1}, duration_sum=float("nan")),
        WebSockets(ends={f"end{number}": 1 for number in range(100)}),
    ):
        with pytest.raises(Refused):
            check_service(service(sockets=wrong))
