"""A batch of alike observations is profiled to the same figures as its observations one by one.

Batches of one kind and one shape take a fast path (`nilometer.profiling.alike`). If it disagreed
with the general path, features would come and go with the traffic.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nilometer.commands.decoded_traffic import observation_of
from nilometer.commands.traffic_files import Exchange, read
from nilometer.profile import FeatureProfile
from nilometer.profiling.alike import AlikeReader
from nilometer.profiling.observation import Observation, pack
from nilometer.profiling.profiling import FEWEST_ALIKE, Profiling
from nilometer.values.labels import Labels

MINUTE = 60 * 10**9
START = 1_700_000_040 * 10**9
COUNT = FEWEST_ALIKE
DECODE = Path(__file__).parents[1] / "decode"


def alike(exchange: Exchange) -> list[Observation]:
    """As many observations of *exchange* as the fast path takes."""
    return [observation_of(exchange, START + at, 0.25) for at in range(COUNT)]


def figures(profiling: Profiling) -> list[Any]:
    return [
        (profile.coverage, {name: counts(one.profile()) for name, one in profile.features.items()})
        for profile in profiling.take()
    ]


def counts(feature: FeatureProfile) -> tuple[object, ...]:
    """Return what does not depend on the order of the cells."""
    numbers, digest = feature.numbers, feature.numbers.digest
    return (
        *(feature.cells, feature.missing, feature.null_like, dict(feature.types)),
        *(numbers.count, numbers.non_finite, digest.min, digest.max),
        feature.categories.total,
    )


def same_by_both_paths(observations: list[Observation]) -> None:
    one_by_one, packed = (Profiling("tested", Labels.of({}), MINUTE) for _ in range(2))
    batch = pack([msgspec.structs.astuple(one) for one in observations])
    for _ in range(2):  # the fast path learns from the first batch
        for one in observations:
            one_by_one.observe([one])
        packed.observe_packed(batch)
    assert figures(one_by_one) == figures(packed)


EXCHANGES = {
    f"{folder}-{exchange.case}": exchange
    for folder in ("recorded", "wild")
    for exchange in read(DECODE / folder / "manifest.json")
}


@pytest.mark.parametrize("case", EXCHANGES)
def test_both_paths_agree_on_real_traffic(case: str) -> None:
    same_by_both_paths(alike(EXCHANGES[case]))


@pytest.mark.parametrize(
    ("path", "request_body", "response_body"),
    [
        ("/v1/completions", {"prompt": "once"}, {"score": 1}),
        ("/v1/embeddings", {"input": "once"}, {"score": 1}),
        ("/v1/embeddings", {"input": 3}, {"score": 1}),
        ("/predict", {"model": "m", "prompt": "once"}, {"score": 1}),
        ("/v2/repository/index", {"ready": True}, {"ok": True}),
        ("/predict", {"jsonData": 3}, {"jsonData": 4}),
        ("/predict", {"data": 3}, {"object": "chat.completion", "x": 1}),
        ("/predict", {"a.b": 1, "c": "x"}, 1),
        ("/predict", "spam", '{"a": 1}'),
        ("/predict", {"a": True}, {"a": None}),
        ("/predict", {"a": 1 << 70}, {"a": 1e300}),
        ("/predict", {"features": [1, 2.5]}, {"label": "x", "scores": [0.1, 0.9]}),
        ("/predict", {"1": 1, "2": 2}, {"5": 1}),
        (
            "/rpc",
            {"jsonrpc": "2.0", "id": 1, "params": 3},
            {"jsonrpc": "2.0", "id": 1, "result": 4},
        ),
        ("/predict", {"image": "iVBORw0KGgo" + "A" * 90}, {"b64": "c3Bh" * 30}),
        ("/predict", {"prompt": "short", "x": "y"}, {"answer": "yes"}),
    ],
)
def test_both_paths_agree_on_bodies_that_only_look_alike(
    path: str, request_body: Any, response_body: Any
) -> None:
    body, answer = json.dumps(request_body).encode(), json.dumps(response_body).encode()
    plain = ("application/json", "", "application/json", "", body, answer)
    same_by_both_paths(
        [
            Observation(START + at, 0.25, 200, "ok", "POST", path, len(body), len(answer), *plain)
            for at in range(COUNT)
        ]
    )


def test_a_body_that_a_protocol_claims_later_is_read_as_that_protocol() -> None:
    """The first bodies have the same keys and no meaning to any protocol."""

    def one(at: int, kind: str) -> Observation:
        body, answer = b'{"a": 1}', json.dumps({"object": kind, "x": at}).encode()
        plain = ("application/json", "", "application/json", "", body, answer)
        return Observation(START, 0.25, 200, "ok", "POST", "/p", len(body), len(answer), *plain)

    same_by_both_paths(
        [one(at, "cat" if at < COUNT else "chat.completion") for at in range(2 * COUNT)]
    )


def test_the_fast_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []
    read_alike = AlikeReader.read

    def noted(reader: AlikeReader, *arguments: Any) -> Any:
        found = yield from read_alike(reader, *arguments)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(AlikeReader, "read", noted)
    for case in ("json_no_ct", "booleans_text", "unicode_keys"):
        taken.clear()
        same_by_both_paths(alike(EXCHANGES[f"wild-{case}"]))
        assert taken[-1]
