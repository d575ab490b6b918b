"""A request body is JSON, bounded, and exactly the structure that is declared."""

from typing import Any

import httpx
import pytest
from support.problems import is_problem

from nilometer_collector.testing import Running


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"entity": "\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"threshold": 1e400}', "application/json", 422),
        (b'{"minimum_count": ' + b"9" * 400 + b"}", "application/json", 422),
        (b'{"threshold": NaN}', "application/json", 400),
        (b'{"entity": "\\ud800"}', "application/json", 400),
        (b"null", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b" " * (1 << 20) + b"{}", "application/json", 413),
    ],
)
def test_a_body_other_than_an_alerter_is_refused(
    served: Running, body: bytes, media_type: str, status: int
) -> None:
    headers = {"content-type": media_type} if media_type else {}
    answer = served.http.put("/api/v1/alerters", content=body, headers=headers)
    is_problem(answer, status)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ('"threshold": NaN', "threshold"),
        ('"parameters": {"most": -Infinity}', "most"),
        ('"threshold": 1e400', "threshold"),
        ('"threshold": "high"', "threshold"),
        ('"entity": "\\ud800"', "entity"),
        ('"minimum_count": 1180591620717411303424', "minimum_count"),
        ('"parameters": {"most": [1]}', "parameters[...]"),
        ('"colour": "blue"', "colour"),
        ('"name": 1', "name"),
        ('"threshold": 0', "threshold"),
    ],
)
def test_a_problem_names_the_field_of_the_body(served: Running, change: str, field: str) -> None:
    body = f'{{"entity": "e", "name": "n", "summary": "*", "kind": "REFERENCE", "reference": "r", "threshold": 1, {change}}}'
    headers = {"content-type": "application/json"}
    answer = served.http.put("/api/v1/alerters", content=body, headers=headers)
    assert is_problem(answer, answer.status_code).field == field
    assert answer.status_code in {400, 422}


def test_a_body_without_a_length_is_cut_off_at_the_limit(served: Running) -> None:
    sent = 0

    def endless() -> Any:
        nonlocal sent
        while sent < 64 << 20:
            sent += 1 << 16
            yield b" " * (1 << 16)

    headers = {"content-type": "application/json"}
    try:
        answer = served.http.put("/api/v1/alerters", content=endless(), headers=headers)
    except httpx.WriteError:
        assert sent < 64 << 20  # it answered, and closed before we were through
    else:
        is_problem(answer, 413)
    assert served.http.get("/healthz").status_code == 200


def test_a_whole_number_may_have_a_decimal_point(served: Running) -> None:
    headers = {"content-type": "application/json"}

    def put(version: bytes) -> httpx.Response:
        body = b'{"owner": "x", "version": %s}' % version
        return served.http.put("/api/v1/entity?entity=e", content=body, headers=headers)

    assert put(b"0.0").json()["version"] == 1
    assert put(b"1.0e0").json()["version"] == 2
    assert is_problem(put(b"2.5"), 422).field == "version"
