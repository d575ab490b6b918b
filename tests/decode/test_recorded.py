"""Every recorded exchange of real servers is decoded to the columns that were checked by eye."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nilometer.commands.decoded_traffic import see
from nilometer.commands.traffic_files import read
from nilometer.decode import Side, decode_exchange
from nilometer.decode.learned import EXAMPLES, Shapes
from nilometer.decode.oip_v2 import KEYS
from nilometer.values.entity import Role

HERE = Path(__file__).parent
RECORDED, GOLDEN = HERE / "recorded", HERE / "golden"
SERVERS = sorted(path.parent.name for path in RECORDED.glob("*/manifest.json"))


def seen_of(server: str) -> dict[str, Any]:
    found = [see(exchange).as_json() for exchange in read(RECORDED / server / "manifest.json")]
    return {str(one["case"]): json.loads(json.dumps(one)) for one in found}


@pytest.mark.parametrize("server", SERVERS)
def test_each_exchange_is_decoded_as_it_was_checked_by_eye(server: str) -> None:
    lines = (GOLDEN / f"{server}.jsonl").read_text("utf-8").splitlines()
    assert seen_of(server) == {one["case"]: one for one in map(json.loads, lines)}


def test_no_exchange_is_left_out() -> None:
    seen = [see(exchange) for exchange in read(RECORDED / "manifest.json")]
    manifest = json.loads((RECORDED / "manifest.json").read_text())
    cases = [case for server in manifest["servers"] for case in server["cases"]]
    present = {case for server in SERVERS for case in seen_of(server)}
    assert len(seen) == 121
    assert {one.exchange.case for one in seen} == present == present & set(cases)
    # What is not decoded had no prediction to decode.
    assert Counter(one.undecodable for one in seen) == {
        "": 63,
        "failed_request": 32,
        "not_inference": 26,
    }


@pytest.mark.parametrize(
    ("server", "case"),
    [
        (server, case)
        for server in ("kserve_triton", "triton")
        for case in (
            "http_binary_in_json_out",
            "http_binary_in_binary_out",
            "http_binary_default_outputs",
        )
    ]
    + [
        ("triton", "http_json_in_json_out"),
        ("triton", "http_binary_gzip"),
        ("triton", "http_json_deflate"),
        ("triton_grpc", "grpc_raw"),
        ("kserve", "v2_kserve_client_json"),
        ("kserve", "v2_kserve_client_binary"),
        ("kserve_grpc", "grpc_kserve_infer_contents"),
        ("kserve_grpc", "grpc_kserve_infer_raw"),
        ("kserve_cloudevents", "request_v2_binary"),
    ],
)
def test_the_same_rows_are_the_same_columns_in_every_encoding(server: str, case: str) -> None:
    columns = list(seen_of(server)[case]["request"]["columns"].values())
    rows = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]  # of two irises, sent as FP32
    assert columns == [pytest.approx(column) for column in zip(*rows, strict=True)]


def alike() -> list[tuple[Role, bytes]]:
    """Bodies that a batch might hold many of."""
    found = [
        (role, message.body)
        for exchange in read(RECORDED / "manifest.json")
        for role, message in ((Role.INPUT, exchange.request), (Role.OUTPUT, exchange.response))
        if message.content_type.startswith("application/json") and not message.content_encoding
    ]
    prompts: list[Any] = [
        {"model": "m", "prompt": "Once upon"},
        {"model": "m", "input": "Once upon", "stream": False},
    ]
    return found + [(Role.INPUT, json.dumps(prompt).encode()) for prompt in prompts]


def test_a_batch_of_one_shape_is_what_its_bodies_are_one_by_one() -> None:
    read_at_once = 0
    for role, body in alike():
        block = Shapes(KEYS[role]).read([body] * EXAMPLES)
        if block is None:
            continue
        read_at_once += 1
        side, whole = Side(), Side()
        whole.add_block(block)
        for _ in range(EXAMPLES):
            decode_exchange(body, "", "", role, side, path="/v1/responses")
        expected = side.columns(set())
        for name, cells in whole.columns(set()).items():
            assert list(cells) == list(expected.pop(name)), body
        assert not expected
    assert read_at_once > 20
