"""What is a prediction, where it belongs, and which columns are expected of it."""

from typing import Any

import msgspec
import pytest

from nilometer.profile import Coverage, FeatureProfile, ServiceProfile, SummarySample
from nilometer.profiling import division, places
from nilometer.profiling.division import Division
from nilometer.profiling.observation import Observation, pack, unpack
from nilometer.profiling.predictions import route_of
from nilometer.profiling.profiling import FEWEST_ALIKE, Profiling
from nilometer.values.labels import Labels
from nilometer.values.request_rules import RequestRules
from nilometer.values.steps import finished

START = 1_700_000_000_000_000_000
MINUTE = 60 * 1_000_000_000
BASE = Labels.of(region="eu")
NOT_INFERENCE = Coverage(undecodable={"not_inference": 1})
PROFILED = Coverage(profiled=1)


def observation(
    method: str = "POST",
    path: str = "/predict",
    request: Any = None,
    response: Any = None,
    **more: Any,
) -> Observation:
    body = request if isinstance(request, bytes) else msgspec.json.encode(request)
    answer = response if isinstance(response, bytes) else msgspec.json.encode(response)
    body, answer = b"" if request is None else body, b"" if response is None else answer
    fields: dict[str, Any] = {
        "arrival_ns": START,
        "latency": 0.25,
        "status": 200,
        "outcome": "ok",
        "method": method,
        "path": path,
        "request_size": len(body),
        "response_size": len(answer),
        "request_type": "application/json" if body else "",
        "request_encoding": "",
        "response_type": "application/json",
        "response_encoding": "",
        "request_body": body,
        "response_body": answer,
    }
    return Observation(**(fields | more))


def v2(model: str, x: float, version: str = "1", path: str = "") -> Observation:
    def tensor(name: str, value: float) -> dict[str, Any]:
        return {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}

    return observation(
        "POST",
        path or f"/v2/models/{model}/infer",
        {"inputs": [tensor("x", x)]},
        {"model_name": model, "model_version": version, "outputs": [tensor("p", 0.5)]},
    )


def profiling(entity: str = "tested", labels: Labels = BASE, **more: Any) -> Profiling:
    return Profiling(entity, labels, MINUTE, **more)


def samples(profiled: Profiling) -> dict[tuple[str, Labels], SummarySample]:
    found = [sample for profile in profiled.take() for sample in profile.samples()]
    return {(sample.summary, sample.labels): sample for sample in found}


def service(profiled: Profiling) -> SummarySample:
    return samples(profiled)["service", BASE]


def missing(profiled: Profiling) -> dict[tuple[str, str], int]:
    """Missing cells by summary and labels, of features."""
    return {
        (summary, str(labels)): sample.content.missing
        for (summary, labels), sample in samples(profiled).items()
        if isinstance(sample.content, FeatureProfile)
    }


@pytest.mark.parametrize(
    ("one", "is_prediction"),
    [
        (observation("OPTIONS", "/predict"), False),
        (observation("GET", "/", response={"name": "model", "ready": True}), False),
        (observation("GET", "/status", response={"uptime": 12.5}), False),
        (observation("GET", "/openapi.json", response={"openapi": "3.1.0"}), False),
        (observation("GET", "/-/routes", response={"/": "app"}), False),
        (observation("HEAD", "/predict"), False),
        (observation("GET", "/health/readiness", response={"db": 1}, query="full=1"), False),
        (observation("GET", "/v1/models/m/metadata", response={"m": 1}, query="x=1"), False),
        (observation("GET", "/api/tags", response={"models": []}, query="x=1"), False),
        (observation("POST", "/v2/health/ready", {"pulse": 71}, {"risk": 0.5}), True),
        (observation("POST", "/health", {"pulse": 71}, {"risk": 0.5}), True),
        (observation("OPTIONS", "/predict", query="x=1"), False),
        (observation("POST", "/warm-up", response={"ok": True}), False),
        (observation("POST", "/predict", b"{", {"detail": "no"}, outcome="client_error"), False),
        (observation("POST", "/wp-login.php", outcome="client_error", status=404), False),
        (
            observation(
                "POST",
                "/ray.serve.RayServeAPIService/Healthz",
                b"\x0a\x02hi",
                b"\x0a\x07success",
                request_type="application/grpc",
                response_type="application/grpc",
            ),
            False,
        ),
        (observation("POST", "/predict", {"x": 1}, {"y": 2}), True),
        (observation("GET", "/predict", {"x": 1}, {"y": 2}), True),
        (observation("POST", "/predict", {"x": 1}, outcome="server_error", status=500), True),
        (observation("POST", "/v1/models/m:predict", b"{", outcome="client_error"), True),
        (observation("GET", "/score/7", values=msgspec.msgpack.encode({"risk": 0.5})), True),
        (observation("GET", "/score", response={"y": 2}, query="x=1"), True),
        (observation("POST", "/predict", request_size=1 << 30, request_body=None), True),
        (
            observation(
                "POST", "/classify", b"\xff\xd8\xff", {"label": "cat"}, request_type="image/heif"
            ),
            True,
        ),
        (observation("CALL", "app.predict", values_only=True, status=0), True),
        (observation("POST", "", response={"y": 2}, outcome="unknown", status=0), True),
        (observation("POST", "", b"{", {"y": 2}), True),
    ],
    ids=lambda one: f"{one.method} {one.path}" if isinstance(one, Observation) else "",
)
def test_a_prediction_is_a_request_with_a_body_that_a_decoder_takes(
    one: Observation,
    is_prediction: bool,  # noqa: FBT001
) -> None:
    profiled = profiling()
    profiled.observe([one])
    found = samples(profiled)
    assert (
        sum(sample.coverage.seen for (name, _), sample in found.items() if name == "service") == 1
    )
    left_out = [one for one in found.values() if "not_inference" in one.coverage.undecodable]
    assert bool(left_out) is not is_prediction
    if not is_prediction:
        assert [*found] == [("service", BASE)]
        content = found["service", BASE].content
        assert isinstance(content, ServiceProfile)
        assert (content.outcomes, content.latency.count) == ({}, 0)


def test_other_requests_are_in_no_coverage_of_a_feature() -> None:
    profiled = profiling()
    profiled.observe([observation(request={"x": 1}), observation("GET", "/")])
    found = samples(profiled)
    assert found["service", BASE].coverage.undecodable == {"not_inference": 1}
    assert found["service", BASE].coverage.seen == 2
    assert found["input.x", BASE].coverage.undecodable == {}
    assert found["input.x", BASE].coverage.seen == 1


def test_on_a_route_with_predictions_a_broken_body_does_not_hide() -> None:
    profiled = profiling()
    broken = observation("POST", "/predict", b"{")
    profiled.observe([broken])
    assert service(profiled).coverage == NOT_INFERENCE
    profiled.observe([observation(request={"x": 1})])
    samples(profiled)
    profiled.observe([broken])
    assert service(profiled).coverage == Coverage(undecodable={"malformed": 1})
    profiled.observe([observation("POST", "/predict")])
    assert service(profiled).coverage == Coverage(undecodable={"empty": 1})
    profiled.observe([observation("GET", "/predict"), observation("OPTIONS", "/predict")])
    assert service(profiled).coverage == Coverage(undecodable={"not_inference": 2})


def test_bodies_decoded_in_one_pass_make_a_route_known_too() -> None:
    profiled = profiling()
    rows = [observation(request={"x": at + 0.5}, response={"y": 0.5}) for at in range(64)]
    for _ in range(3):
        profiled.observe_packed(pack([msgspec.structs.astuple(row) for row in rows]))
    assert service(profiled).coverage == Coverage(profiled=192)
    profiled.observe([observation(request=b"{")])
    assert service(profiled).coverage == Coverage(undecodable={"malformed": 1})


@pytest.mark.parametrize("reader", [1, FEWEST_ALIKE])
def test_a_body_that_the_application_did_not_read_is_one_if_the_answer_has_rows(
    reader: int,
) -> None:
    unread = observation(response={"score": 0.5}, request_type="application/json")
    without_body = observation("POST", "/reload", response={"ok": True})
    listed = observation("GET", "/models", response=[{"name": "m"}], request_type="text/plain")
    found = profiling()
    for one in (unread, without_body, listed):
        found.observe_packed(pack([one] * reader))
    sample = service(found)
    assert sample.coverage.profiled == reader
    assert sample.coverage.undecodable == {"not_inference": 2 * reader}
    assert sample.coverage.lost_inputs == {"empty": reader}


def test_a_route_of_paths_with_values_is_one_route() -> None:
    assert route_of("/customers/81231/score") == route_of("/customers/7/score")
    profiled = profiling()
    profiled.observe([observation("POST", "/customers/81231/score", {"x": 1}, {"y": 1})])
    profiled.observe([observation("POST", "/customers/7/score", b"{")])
    assert service(profiled).coverage == Coverage(profiled=1, undecodable={"malformed": 1})


def test_a_rule_includes_requests_as_predictions() -> None:
    profiled = profiling()
    profiled.included = RequestRules.of(["GET route=/score/{customer}"])
    profiled.observe([observation("GET", "/score/7", response={"risk": 0.5})])
    found = samples(profiled)
    assert found["service", BASE].coverage == PROFILED
    assert ("output.risk", BASE) in found
    profiled.observe([observation("GET", "/status", response={"uptime": 1})])
    assert service(profiled).coverage == NOT_INFERENCE


@pytest.mark.parametrize(("method", "path"), [("GET", "/info"), ("POST", "/tokenize")])
def test_a_rule_includes_a_path_that_is_a_probe_elsewhere(method: str, path: str) -> None:
    profiled = profiling()
    profiled.included = RequestRules.of([path])
    profiled.observe([observation(method, path, response={"risk": 0.5})])
    found = samples(profiled)
    assert found["service", BASE].coverage.profiled == 1
    assert ("output.risk", BASE) in found


ROWS = {"amount": 3.5, "country": "de"}
CALL = {"model": "m", "prompt": "hello"}


@pytest.mark.parametrize("rows", [1, FEWEST_ALIKE + 1], ids=["alone", "alike"])
def test_a_model_on_a_path_of_an_api_is_told_by_its_bodies(rows: int) -> None:
    profiled = profiling()
    risky = observation("POST", "/tokenize", ROWS, {"risk": 0.5})
    called = observation("POST", "/tokenize", CALL, {"tokens": [1, 2]})
    profiled.observe_packed(pack([risky, called] * rows))
    found = samples(profiled)
    assert found["service", BASE].coverage == Coverage(
        profiled=rows, undecodable={"not_inference": rows}
    )
    assert {name for name, _ in found} >= {"input.amount", "input.country", "output.risk"}
    assert not {name for name, _ in found if "token" in name or "prompt" in name}


def test_logged_values_keep_the_columns_of_both_bodies_on_a_path_of_an_api() -> None:
    logged = msgspec.msgpack.encode({"output.quality": 1.5})
    profiled = profiling()
    profiled.observe(
        [observation("POST", "/tokenize", {"prompt": "x"}, {"risk": 0.5}, values=logged)]
    )
    found = samples(profiled)
    assert found["service", BASE].coverage == PROFILED
    assert {name for name, _ in found} >= {"input.prompt", "output.risk", "output.quality"}


def test_a_body_that_is_not_known_belongs_to_the_predictions_of_its_route() -> None:
    profiled = profiling()
    unknown = observation("POST", "/tokenize", None, {"n": 3}, request_body=None, request_size=9)
    left_out = observation(
        "POST", "/tokenize", None, None, request_body=None, request_size=9, left_out=True
    )
    profiled.observe([unknown, left_out])
    assert service(profiled).coverage == Coverage(undecodable={"not_inference": 2})
    profiled.observe([observation("POST", "/tokenize", ROWS, {"risk": 0.5})])
    profiled.observe([unknown])
    coverage = service(profiled).coverage
    assert (coverage.profiled, coverage.lost_inputs) == (2, {"too_large": 1})


@pytest.mark.parametrize(
    "called",
    [
        observation("POST", "/tokenize", {"prompt": "hello"}, {"risk": 0.5}),
        observation("GET", "/v1/files", None, {"risk": 0.5}, query="limit=20"),
        observation("GET", "/key/info", None, {"spend": 3.5}, query="key=sk-1"),
        observation("POST", "/models", None, {"risk": 0.5}, query="url=x.mar"),
    ],
    ids=lambda one: one.method,
)
def test_a_failed_call_of_an_api_is_no_failed_prediction(called: Observation) -> None:
    own = {"amount": 3.5} if called.method == "POST" else None
    predicted = msgspec.structs.replace(
        called, request_body=msgspec.json.encode(own) if own else b"", query="" if own else "x=1"
    )
    profiled = profiling()
    profiled.observe([predicted, failed(called)])
    assert service(profiled).coverage == Coverage(profiled=1, undecodable={"not_inference": 1})


def test_a_call_of_an_api_that_sampling_leaves_out_is_no_prediction() -> None:
    profiled = profiling(sample=1e-9)
    profiled.observe([observation("POST", "/tokenize", CALL, {"tokens": [1, 2]})])
    assert service(profiled).coverage == NOT_INFERENCE


def test_free_json_of_a_known_endpoint_names_its_model() -> None:
    """Alike bodies, and bodies that are decoded one by one."""
    profiled = profiling()
    asked = {"model": "ranker-2", "query": "q"}
    answers = [{"index": at, "relevance_score": 0.5, "model": "ranker-2"} for at in range(40)]
    assert len(answers) > FEWEST_ALIKE
    profiled.observe([observation("POST", "/v1/rerank", asked, answer) for answer in answers])
    profiled.observe([observation("POST", "/v1/rerank", asked, answers[0])])
    profiled.observe([observation("POST", "/predict", asked, answers[0])])
    found = samples(profiled)
    named = Labels.of(region="eu", model="ranker-2")
    assert found["service", named].coverage.profiled == len(answers) + 1
    assert found["service", BASE].coverage.profiled == 1


@pytest.mark.parametrize("rows", [1, FEWEST_ALIKE + 1], ids=["alone", "alike"])
def test_a_feature_called_model_is_no_label_on_a_path_of_an_api(rows: int) -> None:
    profiled = profiling()
    car = {"model": "Golf", "year": 2015}
    profiled.observe([observation("POST", "/score", car, {"price": 1.0})] * rows)
    found = samples(profiled)
    assert {key[1] for key in found} == {BASE}
    assert ("input.model", BASE) in found


def test_rows_without_their_body_are_read_on_a_path_of_an_api() -> None:
    profiled = profiling()
    one = observation("POST", "/score", None, {"price": 1.0}, request_body=None, request_size=9)
    profiled.observe([one] * (FEWEST_ALIKE + 1))
    assert service(profiled).coverage.profiled == FEWEST_ALIKE + 1


def test_a_probe_moves_no_watermark() -> None:
    profiled = profiling()
    profiled.observe([observation("GET", "/")])
    assert profiled.latest_ns == 0


def test_predictions_are_handed_on_with_the_labels_of_their_place() -> None:
    handed: list[tuple[str, int]] = []
    profiled = profiling(
        on_served=lambda labels, rows, _: handed.append((str(labels), len(rows))), labels=Labels()
    )
    profiled.observe([v2("credit", 1.0), observation("GET", "/status", response={"up": True})])
    rows = [v2("churn", at + 0.5) for at in range(2 * FEWEST_ALIKE)]
    profiled.observe_packed(pack([msgspec.structs.astuple(row) for row in rows]))
    assert handed == [("model=credit,version=1", 1), ("model=churn,version=1", len(rows))]


@pytest.mark.parametrize("count", [1, 2 * FEWEST_ALIKE])
def test_models_and_versions_are_told_apart(count: int) -> None:
    """Both by single observations, and by those that are decoded in one pass."""
    profiled = profiling()
    for at in range(3):
        rows = [v2(model, at + 0.5) for model in ("credit", "churn") for _ in range(count)]
        path = "/v2/models/credit/versions/2/infer"
        rows += [v2("credit", at + 0.5, "2", path) for _ in range(count)]
        profiled.observe_packed(pack([msgspec.structs.astuple(row) for row in rows]))
    found = samples(profiled)
    for model, version in (("credit", "1"), ("credit", "2"), ("churn", "1")):
        labels = Labels.of({**BASE.as_dict(), "model": model, "version": version})
        content = found["input.x", labels].content
        assert isinstance(content, FeatureProfile)
        assert (content.numbers.count, content.missing) == (3 * count, 0)
    assert len([name for name, _ in found if name == "input.x"]) == 3


@pytest.mark.parametrize("count", [1, 2 * FEWEST_ALIKE])
def test_columns_of_one_route_are_not_missing_on_another(count: int) -> None:
    profiled = profiling()
    credit = observation("POST", "/credit", {"x": 1.5}, {"risk": 0.5})
    churn = observation("POST", "/churn", {"z": 1.5}, {"p": 0.5})
    for _ in range(3):
        rows = [row for row in (credit, churn) for _ in range(count)]
        profiled.observe_packed(pack([msgspec.structs.astuple(row) for row in rows]))
    assert set(missing(profiled).values()) == {0}
    profiled.observe([observation("POST", "/churn", {"other": 1}, {"p": 0.5})])
    assert missing(profiled) == {
        ("input.other", "region=eu"): 0,
        ("input.z", "region=eu"): 1,
        ("output.p", "region=eu"): 0,
    }


def test_labels_of_the_server_win_over_what_requests_say() -> None:
    profiled = profiling("credit", Labels.of(version="blue"))
    profiled.observe([v2("credit", 1.0)])
    assert {str(labels) for _, labels in samples(profiled)} == {"version=blue"}


def test_values_of_labels_are_templates() -> None:
    profiled = profiling(labels=Labels.of(v="v{version}", at="{route}", region="eu"))
    profiled.observe(
        [v2("credit", 1.0), observation("POST", "/items/7", {"x": 1}, route="/items/{n}")]
    )
    assert {str(labels) for name, labels in samples(profiled) if name == "input.x"} == {
        "at=/v2/models/credit/infer,model=credit,region=eu,v=v1",
        "at=/items/{n},region=eu,v=vabsent",
    }


def by_labels(profiled: Profiling) -> dict[str, Coverage]:
    return {
        str(labels): one.coverage
        for (name, labels), one in samples(profiled).items()
        if name == "service"
    }


def failed(one: Observation) -> Observation:
    return msgspec.structs.replace(one, outcome="server_error", status=500, response_body=b"")


def test_a_request_that_failed_makes_no_model_known() -> None:
    profiled = profiling(labels=Labels())
    profiled.observe([failed(v2(f"m{at}", 1.0)) for at in range(9)])
    assert by_labels(profiled) == {"": Coverage(undecodable={"failed_request": 9})}
    profiled.observe([v2("credit", 1.0), failed(v2("credit", 1.0)), failed(v2("m1", 1.0))])
    made_up = v2("credit", 1.0, path="/v2/models/credit/versions/99/infer")
    profiled.observe([failed(made_up)])
    assert by_labels(profiled) == {
        "": Coverage(undecodable={"failed_request": 1}),
        "model=credit": Coverage(undecodable={"failed_request": 2}),
        "model=credit,version=1": Coverage(profiled=1),
    }


def test_a_request_that_failed_is_counted_under_the_model_of_its_body() -> None:
    profiled = profiling(labels=Labels())
    chat = observation("POST", "/chat", {"model": "small", "messages": []}, {"y": 1})
    other = observation("POST", "/chat", {"model": "other", "messages": []}, {"y": 1})
    profiled.observe([chat, failed(chat), failed(other)])
    assert by_labels(profiled) == {
        "": Coverage(undecodable={"failed_request": 1}),
        "model=small": Coverage(profiled=1, undecodable={"failed_request": 1}),
    }


def test_models_that_clients_make_up_are_so_many_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "MAX_LABEL_SETS", 4)
    profiled = profiling(labels=Labels())
    profiled.observe([v2(f"model{at}x", 1.0) for at in range(10)])
    found = {
        str(labels): one.coverage.profiled
        for (name, labels), one in samples(profiled).items()
        if name == "service"
    }
    assert found.pop("nilometer_overflow=true") == 7
    assert len(found) == 3


def test_nothing_is_expected_of_routes_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_GROUPS", 2)
    profiled = profiling()
    profiled.observe([observation("POST", f"/{name}", {name: 1}) for name in "abcdef"])
    assert set(missing(profiled).values()) == {0}


def test_a_sampled_observation_is_counted_under_the_model_of_its_body() -> None:
    chat = observation("POST", "/chat", {"model": "small", "messages": []}, {"y": 1})
    profiled = profiling(labels=Labels(), sample=0.5, seed=3)
    profiled.observe([chat] * 200)
    found = samples(profiled)
    covered = {
        str(labels): one.coverage for (name, labels), one in found.items() if name == "service"
    }
    small = covered["model=small"]
    assert sum(one.seen for one in covered.values()) == 200
    assert small.profiled > 60
    assert small.sampled_out > 60


def divided(template: str, rows: list[Observation]) -> dict[tuple[str, bool], int]:
    packed = pack([msgspec.structs.astuple(row) for row in rows])
    found = finished(Division(template).divided(packed))
    assert all(len(unpack(one.packed)) == one.observations for one in found)
    return {(one.entity, one.is_over): one.observations for one in found}


def test_a_template_divides_observations_by_what_they_say() -> None:
    chat = observation("POST", "/v1/chat/completions", {"model": "org/llama:8b", "messages": []})
    rows = [v2("credit", 1.0), v2("credit", 2.0, "2"), chat, observation("GET", "/status")]
    assert divided("{model}", rows) == {
        ("credit", False): 2,
        ("org/llama-8b", False): 1,
        ("absent", False): 1,
    }
    assert divided("shop-{model}-{version}", rows[:2]) == {
        ("shop-credit-1", False): 1,
        ("shop-credit-2", False): 1,
    }
    assert divided("{route}", [observation("POST", "/items/7", {"x": 1}, route="/items/{n}")]) == {
        ("items/-n", False): 1
    }


def test_entities_that_clients_make_up_are_so_many_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(division, "MAX_ENTITIES", 3)
    failed = [
        msgspec.structs.replace(v2(f"no{at}", 1.0), outcome="client_error") for at in range(9)
    ]
    rows = [*failed, *(v2(f"m{at}", 1.0) for at in range(5)), v2("m0", 1.0)]
    assert divided("{model}", rows) == {
        ("absent", False): 9,
        ("m0", False): 2,
        ("m1", False): 1,
        ("m2", False): 1,
        ("absent", True): 2,
    }


def test_an_observation_that_cannot_be_read_counts_for_the_fallback() -> None:
    packed = pack([[1, 2, 3], msgspec.structs.astuple(v2("credit", 1.0))])
    found = finished(Division("{model}").divided(packed))
    assert {one.entity: one.observations for one in found} == {"absent": 1, "credit": 1}


def test_a_body_that_a_server_did_not_read_is_one_on_an_endpoint_of_a_known_protocol() -> None:
    profiled = profiling()
    asked = observation("POST", "/v1/models/nothing:predict", request_type="application/json")
    profiled.observe([msgspec.structs.replace(asked, status=404, outcome="client_error")])
    assert service(profiled).coverage == Coverage(undecodable={"failed_request": 1})
    profiled.observe([observation("GET", "/v1/models/nothing:predict", request_type="text/plain")])
    assert service(profiled).coverage == NOT_INFERENCE
