"""Inference loggers as a source: CloudEvents and LogRequests, sent to an agent over HTTP."""

import base64
import gzip
import http.client
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st
from support.far_side import FarSide

from nilometer.profile import Coverage, FeatureProfile, ServiceProfile, SummarySample
from nilometer.testing import eventually
from nilometer.values.clock import SystemClock
from nilometer.values.errors import ConfigError
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.sources.events.event_receiver import MAX_REQUEST_BYTES
from nilometer_agent.sources.events.join import (
    MAX_CONTENTS,
    MAX_WAITING_BYTES,
    Half,
    Joined,
    Joiner,
    Pair,
    Side,
    held,
)
from nilometer_agent.sources.events.message import BATCH, MAX_EVENTS, STRUCTURED

RECORDED = Path(__file__).parents[2] / "decode" / "recorded" / "kserve_cloudevents"
KSERVE, SELDON = "org.kubeflow.serving.inference", "io.seldon.serving"
START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


class Logged:
    """An agent with its door for events open, and the collector it ships to."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.far_side = FarSide()
        self.agent = Agent(
            AgentSettings(
                directory=str(directory),
                collector=self.far_side.address,
                events_address="127.0.0.1:0",
                commit_seconds=0.02,
                **options,
            )
        )
        self.agent.start()
        assert self.agent.events is not None
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", self.agent.events.port, timeout=60
        )

    def post(self, headers: Any, body: Any, path: str = "/") -> int:
        self._connection.request("POST", path, body, dict(headers))
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def counters(self) -> dict[str, int]:
        """Those that moved, once no event is on its way."""
        found = {
            name: count
            for name, count in self.agent.counters.snapshot().items()
            if name.startswith("events") and count
        }
        waiting = self.agent.gauges()["events_waiting"]
        parts = ("joined", "alone", "ambiguous", "repeated", "refused", "truth")
        assert found.get("events", 0) == waiting + sum(
            found.get(f"events_{part}", 0) for part in parts
        )
        return found

    def end(self) -> None:
        self._connection.close()
        self.agent.stop()
        self.far_side.stop()

    def samples(self) -> dict[tuple[str, str], list[SummarySample]]:
        """What was shipped once the agent has ended, by entity and summary."""
        self.agent.stop()
        found: dict[tuple[str, str], list[SummarySample]] = {}
        for sample in self.far_side.samples.values():
            found.setdefault((sample.entity, sample.summary), []).append(sample)
        return found


@pytest.fixture
def logged(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Logged]:
    running = Logged(tmp_path, **getattr(request, "param", {}))
    yield running
    running.end()


def event(kind: str, data: Any, number: int = 0, **more: Any) -> CloudEvent:
    """One of the inference service ``iris``; the response comes 0.25 s after its request."""
    moment = START + timedelta(seconds=number + (0.25 if kind.endswith("response") else 0.0))
    attributes = {
        "id": f"prediction-{number}",
        "type": kind,
        "source": "http://localhost:9081/",
        "time": moment,
        "datacontenttype": "application/json",
        "inferenceservicename": "iris",
        "namespace": "default",
        **more,
    }
    return CloudEvent(attributes, json.dumps(data).encode())


def pair(number: int) -> tuple[CloudEvent, CloudEvent]:
    request = event(f"{KSERVE}.request", {"instances": [[1.0, float(number)]]}, number)
    return request, event(f"{KSERVE}.response", {"predictions": [number]}, number)


def means(samples: dict[tuple[str, str], list[SummarySample]], entity: str = "iris") -> Any:
    """Count and sum of every feature of *entity*."""
    found: dict[str, float] = defaultdict(float)
    for (whose, summary), parts in samples.items():
        for part in parts if whose == entity else ():
            if isinstance(part.content, FeatureProfile):
                numbers = part.content.numbers
                found[f"{summary} count"] += numbers.count
                found[f"{summary} sum"] += round(numbers.moments.mean * numbers.count, 9)
    return found


def service(samples: dict[tuple[str, str], list[SummarySample]]) -> ServiceProfile:
    contents = [part.content for part in samples["iris", "service"]]
    return ServiceProfile.merge_all(
        content for content in contents if isinstance(content, ServiceProfile)
    )


def test_two_events_are_one_observation_with_the_time_between_them(logged: Logged) -> None:
    for number in range(20):
        halves = pair(number)
        for half in halves if number % 2 else reversed(halves):  # whichever comes first
            message = to_binary_event(half)
            assert logged.post(message.headers, message.body) == 202
    assert logged.counters() == {"events": 40, "events_joined": 40}
    samples = logged.samples()
    profile = service(samples)
    assert (profile.outcomes, profile.statuses) == ({"ok": 20}, {"200": 20})
    assert profile.latency.count == 20
    assert profile.latency.quantile(0.5) == pytest.approx(0.25, rel=0.011)
    assert sum(part.coverage.profiled for part in samples["iris", "service"]) == 20
    found = means(samples)
    assert found["input.instances.1 count"] == found["output.predictions count"] == 20
    assert found["output.predictions sum"] == pytest.approx(190)
    assert all(
        part.labels.as_dict() == {"namespace": "default"} for part in samples["iris", "service"]
    )


def test_a_logged_status_is_the_outcome_and_an_error_is_no_prediction(logged: Logged) -> None:
    """KServe's logger tells the status as an extension; a model refused or failed some requests."""
    statuses = ["200", "200", "400", "422", "503", "600", "2000", "none"]
    for number, status in enumerate(statuses):
        failed = status in {"400", "422", "503"}
        data = {"error": "no", "code": 17} if failed else {"predictions": [number]}
        response = event(f"{KSERVE}.response", data, number, statuscode=status)
        for half in (pair(number)[0], response):
            message = to_binary_event(half)
            assert logged.post(message.headers, message.body) == 202
    alone = event(f"{KSERVE}.response", {"error": "no"}, 99, statuscode="500")
    message = to_binary_event(alone)
    assert logged.post(message.headers, message.body) == 202
    samples = logged.samples()
    profile = service(samples)
    assert profile.outcomes == {"ok": 5, "client_error": 2, "server_error": 1, "unknown": 1}
    assert profile.statuses == {"200": 5, "400": 1, "422": 1, "503": 1, "500": 1}
    assert not {name for _, name in samples} & {"output.error", "output.code"}
    assert means(samples)["output.predictions count"] == 5


@pytest.mark.parametrize("mode", ["binary", "structured", "batch", "marshalled", "gzip"])
def test_every_mode_tells_the_same(mode: str, logged: Logged) -> None:
    events = [half for number in range(5) for half in pair(number)]
    if mode in {"binary", "structured", "gzip"}:
        for one in events:
            message = to_structured_event(one) if mode == "structured" else to_binary_event(one)
            headers, body = dict(message.headers), message.body
            if mode == "gzip":
                headers["content-encoding"] = "gzip"
                body = gzip.compress(body)
            assert logged.post(headers, body) == 202
    elif mode == "batch":
        whole = b"[" + b",".join(to_structured_event(one).body for one in events) + b"]"
        assert logged.post({"content-type": BATCH}, whole, "/v1/cloudevents") == 202
    else:
        requests = [
            {
                "bytes": base64.b64encode(one.get_data()).decode(),  # type: ignore[arg-type]
                "contentType": "application/json",
                "reqType": one.get_type(),
                "id": one.get_id(),
                "inferenceService": "iris",
                "namespace": "default",
                "occurrenceTime": one.get_time().isoformat(),  # type: ignore[union-attr]
            }
            for one in events
        ]
        assert logged.post({}, json.dumps(requests), "/marshal") == 200
    assert logged.counters() == {"events": 10, "events_joined": 10}
    found = means(logged.samples())
    assert found == {
        "input.instances.0 count": 5,
        "input.instances.0 sum": 5.0,
        "input.instances.1 count": 5,
        "input.instances.1 sum": 10.0,
        "output.predictions count": 5,
        "output.predictions sum": 10.0,
    }


def test_recorded_loggers_are_read(logged: Logged) -> None:
    manifest = json.loads((RECORDED / "manifest.json").read_text())
    for exchange in manifest["exchanges"]:
        request = exchange["request"]
        (name,) = RECORDED.glob(f"{exchange['case']}.request.*")
        headers = {
            name: value
            for name, value in request["headers"]
            if name.lower() not in {"host", "content-length", "accept-encoding"}
        }
        assert logged.post(headers, name.read_bytes(), request["target"]) in {200, 202}
    moved = logged.counters()
    # Two pairs; the marshaller's batch names a request twice, two binary requests have no answer.
    assert moved == {"events": 8, "events_joined": 4, "events_repeated": 1}
    samples = logged.samples()
    assert logged.counters()["events_alone"] == 3
    columns = {summary for entity, summary in samples if entity == "sklearn-iris"}
    assert {"input.instances.0", "input.INPUT.3", "output.predictions", "service"} <= columns
    assert ("seldon-model", "input.a") in samples
    assert ("seldon-model", "output.proba") in samples
    (part,) = samples["seldon-model", "output.proba"]
    assert part.labels.as_dict() == {
        "endpoint": "example", "model": "classifier", "namespace": "default",
    }  # fmt: skip


class ClockAhead(SystemClock):
    """The machine's clocks, with a monotonic one that a test sets ahead."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


@pytest.mark.parametrize("logged", [{"events_join_seconds": 3600.0}], indirect=True)
def test_a_half_is_profiled_as_what_it_is(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ClockAhead()
    assert logged.agent.events is not None
    monkeypatch.setattr(logged.agent.events._receiver, "_clock", clock)
    request, response = pair(3)
    message = to_binary_event(request)
    assert logged.post(message.headers, message.body) == 202
    clock.seconds = 3600.0
    eventually(lambda: logged.agent.counters.snapshot()["events_alone"] == 1)
    message = to_binary_event(response)  # too late: half of a pair, too
    assert logged.post(message.headers, message.body) == 202
    assert logged.post(message.headers, message.body) == 202  # and again
    assert logged.counters() == {"events": 3, "events_alone": 2, "events_repeated": 1}
    samples = logged.samples()
    profile = service(samples)
    assert profile.outcomes == {"unknown": 2}
    assert (profile.latency.count, profile.statuses, profile.failures) == (0, {}, 0)
    found = means(samples)
    assert found["input.instances.1 sum"] == found["output.predictions sum"] == 3.0
    coverages = [part.coverage for part in samples["iris", "service"]]
    assert sum(one.profiled for one in coverages) == 2
    assert [one.lost_inputs for one in coverages if one.lost_inputs] == [{"empty": 1}]
    assert [one.lost_outputs for one in coverages if one.lost_outputs] == [{"empty": 1}]


def test_an_ambiguous_id_is_counted(logged: Logged) -> None:
    request, response = pair(3)
    other = event(f"{KSERVE}.request", {"instances": [[9.0, 9.0]]}, 3)
    for message in map(to_binary_event, (request, other, response, other)):
        assert logged.post(message.headers, message.body) == 202
    counted = {"events": 4, "events_ambiguous": 2, "events_alone": 1, "events_repeated": 1}
    assert logged.counters() == counted
    assert service(logged.samples()).outcomes == {"unknown": 3}


def test_a_logged_answer_over_the_cap_is_a_lost_side(logged: Logged) -> None:
    request, _ = pair(0)
    response = event(f"{KSERVE}.response", {"predictions": ["x" * (256 << 10)]})
    for message in (to_binary_event(request), to_binary_event(response)):
        assert logged.post(message.headers, message.body) == 202
    (sample,) = logged.samples()["iris", "service"]
    assert sample.coverage == Coverage(profiled=1, lost_outputs={"too_large": 1})


def test_feedback_is_ground_truth(logged: Logged) -> None:
    for number in range(4):
        told = {
            "request": {"data": {"names": ["a"], "ndarray": [[1.0]]}},
            "response": {"meta": {"puid": f"prediction-{number}"}},
            "reward": 0.5,
            "truth": {"data": {"names": ["label"], "ndarray": [[float(number)]]}},
        }
        message = to_binary_event(event(f"{SELDON}.feedback", told, number))
        assert logged.post(message.headers, message.body) == 202
    assert logged.counters() == {"events": 4, "events_truth": 4}
    samples = logged.samples()
    assert set(samples) == {("iris", "ground_truth.label"), ("iris", "ground_truth.reward")}
    found = means(samples)
    assert (found["ground_truth.label sum"], found["ground_truth.reward sum"]) == (6.0, 2.0)


def test_feedback_that_comes_again_counts_once(logged: Logged) -> None:
    told = {"reward": 0.5, "truth": {"label": 1.0}}
    for number in (1, 2, 1, 1):
        message = to_binary_event(event(f"{SELDON}.feedback", told, number))
        assert logged.post(message.headers, message.body) == 202
    assert logged.counters() == {"events": 4, "events_truth": 2, "events_repeated": 2}
    assert means(logged.samples())["ground_truth.reward sum"] == 1.0


def test_a_reward_counts_beside_a_truth_that_says_nothing(logged: Logged) -> None:
    told = {"response": {"meta": {"puid": "prediction"}}, "reward": 0.5, "truth": {}}
    message = to_binary_event(event(f"{SELDON}.feedback", told, 1))
    assert logged.post(message.headers, message.body) == 202
    assert logged.counters() == {"events": 1, "events_truth": 1}
    assert set(logged.samples()) == {("iris", "ground_truth.reward")}


@pytest.mark.parametrize("body", [b'{"truth": "\xff"}', b"\xff", b"[" * 100_000, b"{"])
def test_feedback_that_cannot_be_read_is_refused_and_counted(logged: Logged, body: bytes) -> None:
    message = to_binary_event(event(f"{SELDON}.feedback", {}, 1))
    assert logged.post(message.headers, body) == 400
    assert logged.counters() == {"events": 1, "events_refused": 1}


def test_a_stage_beside_the_predictor_is_an_entity_of_its_own(logged: Logged) -> None:
    for component in ("predictor", "transformer"):
        for half in pair(1):
            half.get_attributes()["component"] = component
            message = to_binary_event(half)
            assert logged.post(message.headers, message.body) == 202
    assert {entity for entity, _ in logged.samples()} == {"iris", "iris-transformer"}


@pytest.mark.parametrize("logged", [{"events_entity": "scorer"}], indirect=True)
def test_one_name_may_stand_for_all(logged: Logged) -> None:
    for half in pair(1):
        message = to_binary_event(half)
        logged.post(message.headers, message.body)
    assert {entity for entity, _ in logged.samples()} == {"scorer"}
    with pytest.raises(ConfigError, match="no spaces"):
        AgentSettings(events_entity="no spaces")


GOOD = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/", "ce-type": f"{KSERVE}.request"}
NAMED = {**GOOD, "ce-inferenceservicename": "iris"}


@pytest.mark.parametrize(
    ("headers", "body", "path", "status"),
    [
        ({"content-type": "application/json"}, b"{}", "/", 400),  # no event
        ({**NAMED, "ce-specversion": "2.0"}, b"{}", "/", 400),
        ({**NAMED, "ce-id": ""}, b"{}", "/", 400),
        ({**NAMED, "ce-type": "com.example.other"}, b"{}", "/", 400),
        (GOOD, b"{}", "/", 400),  # whose?
        ({"content-type": STRUCTURED}, b"{", "/", 400),
        ({"content-type": STRUCTURED}, b"[" * 100_000, "/", 400),
        ({"content-type": STRUCTURED}, b'"\xff\xfe"', "/", 400),
        ({"content-type": STRUCTURED}, b'{"specversion":"1.0","data_base64":"%"}', "/", 400),
        ({"content-type": BATCH}, b"{}", "/", 400),
        ({"content-type": BATCH}, b"[" + b"1," * MAX_EVENTS + b"1]", "/", 400),
        ({"content-type": BATCH}, b"[1,null,[],{}]", "/", 400),
        ({}, b'[{"bytes":5},{"bytes":"%"},7]', "/marshal", 400),
        (NAMED, b"{}", "/elsewhere", 404),
        ({**NAMED, "content-encoding": "gzip"}, b"no gzip", "/", 400),
        ({**NAMED, "content-encoding": "gzip"}, gzip.compress(b"\0" * (80 << 20)), "/", 400),
        ({**NAMED, "content-length": str(MAX_REQUEST_BYTES + 1)}, b"", "/", 413),
        ({**NAMED, "transfer-encoding": "chunked"}, b"", "/", 411),
    ],
)
def test_what_is_no_event_is_told_so_and_counted(
    headers: dict[str, str], body: bytes, path: str, status: int, logged: Logged
) -> None:
    assert logged.post(headers, body, path) == status
    moved = logged.counters()
    assert moved["events"] == moved["events_refused"] >= 1
    # And the door stays open.
    for half in pair(1):
        message = to_binary_event(half)
        assert logged.post(message.headers, message.body) == 202
    assert logged.counters()["events_joined"] == 2


def test_good_events_of_a_batch_are_taken_beside_bad_ones(logged: Logged) -> None:
    good = [json.loads(to_structured_event(half).body) for half in pair(1)]
    batch = json.dumps([*good, {"specversion": "1.0"}, 7])
    assert logged.post({"content-type": BATCH}, batch) == 202
    assert logged.counters() == {"events": 4, "events_joined": 2, "events_refused": 2}


def test_what_the_engine_does_not_take_is_told_as_lost(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = []

    def broken(arrival: object) -> None:
        offered.append(arrival)
        raise RuntimeError("broken on purpose")

    with monkeypatch.context() as patched:
        patched.setattr(logged.agent.engine, "offer", broken)
        for half in pair(1):
            message = to_binary_event(half)
            assert logged.post(message.headers, message.body) == 202
        eventually(lambda: offered)
    for half in pair(2):
        message = to_binary_event(half)
        assert logged.post(message.headers, message.body) == 202
    parts = [sample.coverage for sample in logged.samples()["iris", "service"]]
    whole = reduce(lambda one, other: one.merge(other), parts)
    assert (whole.profiled, dict(whole.dropped)) == (1, {"internal_error": 1})


def test_an_address_that_is_taken_is_one_clear_error(logged: Logged, tmp_path: Path) -> None:
    assert logged.agent.events is not None
    address = f"127.0.0.1:{logged.agent.events.port}"
    with pytest.raises(ConfigError, match=f"events_address = '{address}': cannot be bound"):
        Agent(AgentSettings(directory=str(tmp_path / "other"), events_address=address))


def half(number: int, side: Side) -> Half:
    return Half(
        "e",
        (),
        side,
        str(number),
        "",
        0,
        timed=False,
        content_type="",
        trace_parent="",
        data=b"x",
        size=1,
    )


@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(Side), st.floats(0, 3)), max_size=60),
    st.floats(0.5, 5),
)
def test_every_half_leaves_once_whatever_the_order(
    coming: list[tuple[int, Side, float]], seconds: float
) -> None:
    joiner = Joiner(seconds)
    now, repeated = 0.0, 0
    left: list[Pair] = []
    for number, side, passed in coming:
        now += passed
        left += joiner.expired(now)
        found = joiner.take(half(number, side), now)
        repeated += found.repeated
        left += found.pairs
    left += joiner.expired(float("inf"))
    assert joiner.waiting == 0
    halves = [one for whole in left for one in whole if one is not None]
    assert len(halves) + repeated == len(coming)
    for request, response in left:
        assert request is None or request.side is Side.REQUEST
        assert response is None or response.side is Side.RESPONSE
        if request is not None and response is not None:
            assert request.key == response.key
    if sum(passed for _, _, passed in coming) < seconds:  # nothing could expire
        whole = [both for both in left if None not in both]
        sides = {(number, side) for number, side, _ in coming}
        assert len(whole) == sum(
            {(number, Side.REQUEST), (number, Side.RESPONSE)} <= sides for number in range(7)
        )
        assert len(halves) == len(sides)


def test_an_id_of_two_predictions_joins_nothing() -> None:
    joiner = Joiner(60.0)
    first, again, answer = half(1, Side.REQUEST), half(1, Side.REQUEST), half(1, Side.RESPONSE)
    second = replace(first, data=b"other", size=5)
    assert joiner.take(first, 0.0) == Joined()
    assert joiner.take(again, 0.0) == Joined(repeated=True)
    assert joiner.take(second, 0.0) == Joined(((first, None), (second, None)), ambiguous=2)
    assert joiner.take(answer, 0.0) == Joined(((None, answer),))
    assert joiner.take(second, 0.0) == joiner.take(answer, 0.0) == Joined(repeated=True)
    assert joiner.waiting == 0


def test_another_prediction_with_the_id_of_a_joined_pair_joins_nothing() -> None:
    joiner = Joiner(60.0)
    first, answer = half(1, Side.REQUEST), half(1, Side.RESPONSE)
    joiner.take(first, 0.0)
    assert joiner.take(answer, 0.0) == Joined(((first, answer),))
    for number in range(2 * MAX_CONTENTS):  # more than are remembered
        other = replace(answer, data=b"%d" % number, size=5)
        assert joiner.take(other, 0.0) == Joined(((None, other),), ambiguous=1)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nilometer_agent.sources.events.join.MAX_WAITING", 10)
    monkeypatch.setattr("nilometer_agent.sources.events.join.MAX_REMEMBERED", 10)
    joiner = Joiner(60.0)
    released = 0
    for number in range(100):
        joiner.take(half(number, Side.REQUEST), 0.0)
        released += len(joiner.expired(0.0))
    assert (joiner.waiting, released) == (10, 90)
    assert len(joiner._left) == 10


def test_what_waits_is_bounded_by_all_that_a_half_holds() -> None:
    joiner = Joiner(60.0)
    light = half(0, Side.REQUEST)
    size = held(light)
    for text in ("entity", "key", "prediction_id", "content_type", "trace_parent"):
        assert held(replace(light, **{text: getattr(light, text) + "a" * 100})) == size + 100
    assert held(replace(light, labels=(("a" * 50, "b" * 50),))) == size + 100
    heavy = replace(light, prediction_id="a" * MAX_WAITING_BYTES)
    joiner.take(heavy, 0.0)
    joiner.take(half(1, Side.REQUEST), 0.0)
    assert [one for one, _ in joiner.expired(0.0)] == [heavy]
