"""WebSocket connections are counted apart from predictions, in the window of their end."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from nilometer.profile import Coverage, ServiceProfile, SummarySample
from nilometer.profiling.division import Division
from nilometer.profiling.observation import WEBSOCKET, Observation, pack
from nilometer.profiling.profiling import Profiling
from nilometer.profiling.stream_facts import StreamFacts
from nilometer.values.labels import Labels
from nilometer.values.steps import finished

MINUTE = 60 * 1_000_000_000
START = 1_700_000_040 * 1_000_000_000  # the start of a window
BASE = Labels.of(region="eu")
CONNECTION = Coverage(undecodable={"websocket": 1})


def observation(**more: Any) -> Observation:
    given: dict[str, Any] = {
        "arrival_ns": START,
        "latency": 0.5,
        "status": 200,
        "outcome": "ok",
        "method": "POST",
        "path": "/predict",
        "request_size": 8,
        "response_size": 10,
        "request_type": "application/json",
        "request_encoding": "",
        "response_type": "application/json",
        "response_encoding": "",
        "request_body": b'{"x": 1}',
        "response_body": b'{"y": 0.5}',
    }
    return Observation(**(given | more))


def connection(end: str = "closed", **more: Any) -> Observation:
    bare = {
        "status": 0,
        "method": WEBSOCKET,
        "path": "/ws",
        "request_type": "",
        "response_type": "",
        "request_body": None,
        "response_body": None,
        "websocket": (3, 4, 1000),
    }
    return observation(**(bare | {"outcome": end} | more))


def profiled(*observations: Observation, **options: Any) -> list[SummarySample]:
    profiling = Profiling("tested", options.pop("labels", BASE), MINUTE, **options)
    profiling.observe(observations)
    return [sample for profile in profiling.take() for sample in profile.samples()]


def test_a_connection_is_no_prediction_and_the_accounts_balance() -> None:
    probe = observation(method="GET", path="/", request_size=0, request_body=b"")
    found = {one.summary: one for one in profiled(observation(), connection(), probe)}
    service = found["service"]
    assert service.coverage.undecodable == {"websocket": 1, "not_inference": 1}
    assert (service.coverage.profiled, service.coverage.seen) == (1, 3)
    assert isinstance(service.content, ServiceProfile)
    assert service.content.outcomes == {"ok": 1}
    assert service.content.websockets.ends == {"closed": 1}
    assert service.content.websockets.messages_received == 3
    assert found["input.x"].coverage == found["output.y"].coverage == Coverage(profiled=1)


@pytest.mark.parametrize("options", [{"sample": 2.0**-10, "seed": 1}, {}])
def test_sampling_leaves_no_connection_out(options: dict[str, Any]) -> None:
    (service,) = profiled(*[connection()] * 50, **options)
    assert service.coverage == Coverage(undecodable={"websocket": 50})


def test_a_connection_belongs_to_the_window_in_which_it_ends() -> None:
    (service,) = profiled(connection(latency=3600.0))
    assert service.window.start_ns == START + 60 * MINUTE
    (service,) = profiled(connection(arrival_ns=1 << 62, latency=1e9))
    assert service.coverage == CONNECTION


def test_a_connection_has_the_labels_that_its_path_and_route_say() -> None:
    labels = Labels.of({"route": "{route}"})
    talk = connection(path="/v1/models/iris", route="/v1/models/{name}")
    (service,) = profiled(talk, labels=labels)
    assert service.labels == Labels.of({"route": "/v1/models/{name}", "model": "iris"})


@pytest.mark.parametrize(("end", "entity"), [("closed", "iris"), ("refused", "absent")])
def test_only_an_accepted_connection_makes_an_entity_of_a_template(end: str, entity: str) -> None:
    batch = pack([connection(end, path="/v1/models/iris")])
    (part,) = finished(Division("{model}").divided(batch))
    assert (part.entity, part.observations) == (entity, 1)


def test_connections_are_handed_over_without_facts() -> None:
    handed: list[tuple[Labels, int, StreamFacts]] = []

    def take(labels: Labels, rows: Sequence[Observation], facts: StreamFacts) -> None:
        handed.append((labels, len(rows), facts))

    profiled(connection(), on_served=take)
    assert handed == [(BASE, 1, StreamFacts())]


def test_an_end_that_this_version_does_not_know_is_a_close_code() -> None:
    (service,) = profiled(msgspec.structs.replace(connection(), outcome="vanished"))
    assert isinstance(service.content, ServiceProfile)
    assert service.content.websockets.ends == {"close_code": 1}
