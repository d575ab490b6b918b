"""The query over many series: what it refuses, its other forms, and its entity tags."""

import base64
import dataclasses
import io
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from support.problems import is_problem

from nilometer.wire.samples import sample_from_bytes
from nilometer_collector.api import arrow
from nilometer_collector.query import series
from nilometer_collector.testing import ENTITY, Running, feature_sample, minute

AMOUNT: dict[str, Any] = {"entity": ENTITY, "summary": "input.amount"}
HOSTILE = "x'; DROP TABLE series; --/../../etc/passwd%00${jndi:ldap://x}"


def ask(served: Running, asked: Mapping[str, Any], accept: str = "*/*") -> httpx.Response:
    parameters = httpx.QueryParams({**AMOUNT, **asked})
    return served.http.get("/api/v1/query", params=parameters, headers={"accept": accept})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("summary", "a\x00b"),
        ("summary", ""),
        ("entity", "a\nb"),
        ("label", HOSTILE),
        ("label", "Version:1"),
        ("label", "a" * 64 + ":1"),
        ("not_label", "version"),
        ("other_label", "version:\x7f"),
        ("has_label", "$where"),
        ("lacks_label", HOSTILE),
        ("by", "a-b"),
        ("start", "9223372036854775807"),
        ("start", str(2**70)),
        ("end", "9214646400000"),  # year 292278994, in seconds
        ("step", str(2**70)),
        ("step", "0"),
        ("step", "1e3"),
        ("quantile", "1.5"),
        ("quantile", "NaN"),
        ("quantile", "-1"),
        ("quantile", "0,5"),
        ("cdf", "inf"),
        ("cdf", "0x10"),
        ("edge", "1e309"),
        ("edge", "one"),
        ("top", "0"),
        ("top", "1001"),
        ("top", str(2**70)),
        ("statistic", "p100"),
        ("show", "everything"),
        ("comparator", "psy"),
        ("limit", "0"),
        ("limit", "1000000"),
        ("after", "yesterday"),
        ("after", "1:a"),
        ("after", "1:a:b:c"),
        ("after", f"{2**70}:a:b"),
        ("after", "1:<script>:b"),
        ("other_earlier", "-1"),
        ("other_entity", ""),
        ("reference", "a" * 257),
        ("colour", "blue"),
    ],
)
def test_what_is_not_allowed_is_refused_by_its_name(
    filled: Running, field: str, value: str
) -> None:
    problem = is_problem(ask(filled, {field: value}), 422)
    assert problem.field == field
    assert field in problem.detail


@pytest.mark.parametrize(
    "asked",
    [
        {"label": f"a:{HOSTILE}"},
        {"other_not_label": f"a:{HOSTILE}"},
        {"after": "0:%27%3B%20DROP%20TABLE:%FF%00%"},
        {"after": "9999999999999999999:a:b"},
        {"start": 0, "end": 0},
        {"start": 4611686018, "end": 1},
        {"edge": 1e308, "cdf": -1e308, "quantile": 0},
        {"other_earlier": 400 * 86_400, "step": 7},
    ],
)
def test_hostile_text_in_a_value_finds_nothing(filled: Running, asked: Mapping[str, Any]) -> None:
    assert ask(filled, asked).status_code == 200


@pytest.mark.parametrize("name", [HOSTILE, "*" * 200, "[" * 200, "[!]", "?" * 256, "input.*\\"])
def test_hostile_names_are_not_found(filled: Running, name: str) -> None:
    assert ask(filled, {"summary": name}).status_code in {200, 404}
    assert "entity" in is_problem(ask(filled, {"entity": name}), 404).detail


def test_label_sets_beyond_the_bound_are_refused(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nilometer_collector.query import groups

    monkeypatch.setattr(groups, "MAX_SERIES", 3)
    sender = served.sender()
    sender.ship(*(feature_sample([1.0], labels={"user": str(n)}) for n in range(4)))
    problem = is_problem(ask(served, {"by": "user"}), 422)
    assert (problem.field, "4 label sets" in problem.detail) == ("summary", True)
    assert ask(served, {"by": "user", "not_label": "user:3"}).status_code == 200


def test_pages_come_as_arrow_with_the_same_numbers(served: Running) -> None:
    import pyarrow

    cells = [1.0, 2.0, None]
    samples = [feature_sample(cells, window=minute(n), labels={"v": "1"}) for n in range(3)]
    served.sender().ship(*samples)
    asked = {
        "quantile": [0.5, 0.99],
        "cdf": 1.5,
        "edge": 1.5,
        "top": 3,
        "show": ["moments", "rates", "coverage", "sample"],
        "by": "v",
        "step": 60,
        "other_earlier": 60,
        "limit": 2,
    }
    answer = ask(served, asked, arrow.MEDIA_TYPE)
    assert (answer.status_code, answer.headers["content-type"]) == (200, arrow.MEDIA_TYPE)
    table = pyarrow.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    page = ask(served, asked).json()
    (series,) = page["series"]
    rows = table.to_pylist()
    assert (
        [row["count"] for row in rows] == [point["count"] for point in series["points"]] == [2, 2]
    )
    for row, point in zip(rows, series["points"], strict=True):
        assert row["window_start"].timestamp() == point["window_start"]
        assert (row["summary"], dict(row["labels"])) == (series["summary"], series["labels"])
        assert row["quantiles.0.99"] == point["quantiles"]["0.99"]
        assert row["cdf.1.5"] == point["cdf"]["1.5"] == 0.5
        assert row["rates.missing_ratio"] == point["rates"]["missing_ratio"]
        assert row["moments"] == point["moments"]
        assert row["histogram"] == point["histogram"]
        assert row["coverage"]["seen"] == point["coverage"]["seen"] == 3
        assert row["sample"] == base64.b64decode(point["sample"])
        assert row["other_count"] == point["other_count"]
        assert row["other_distances.ks"] == point["other_distances"]["ks"]
    assert table.schema.metadata[b"next"].decode() == page["next"]


def test_a_point_may_have_its_merged_sample(served: Running) -> None:
    """A sample of a smaller share is scaled, so the merged one has the larger share."""
    tenth = dataclasses.replace(feature_sample([1.0] * 10, labels={"v": "1"}), sample=0.1)
    served.sender().ship(tenth, feature_sample([2.0, None], labels={"v": "1"}))
    (series,) = ask(served, {"by": "v", "step": 60, "show": "sample"}).json()["series"]
    (point,) = series["points"]
    sample = sample_from_bytes(base64.b64decode(point["sample"]))
    assert (sample.entity, sample.summary, str(sample.labels)) == (ENTITY, "input.amount", "v=1")
    assert (sample.window, sample.sample) == (minute(0), 1.0)
    assert (sample.content.count, sample.coverage.seen) == (point["count"], 12) == (101, 12)


def test_an_empty_page_comes_as_arrow(filled: Running) -> None:
    import pyarrow

    answer = ask(filled, {"start": 0, "end": 0}, arrow.MEDIA_TYPE)
    table = pyarrow.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert (table.num_rows, table.column_names[0]) == (0, "summary")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*;q=0.5", "application/json"),
        (f"application/json;q=0.1, {arrow.MEDIA_TYPE}", arrow.MEDIA_TYPE),
        (f"application/json, {arrow.MEDIA_TYPE};q=0.1", "application/json"),
        (f"application/json;q=0, {arrow.MEDIA_TYPE.upper()}", arrow.MEDIA_TYPE),
        ("text/html;q=x, */*;q=0.1", "application/json"),
    ],
)
def test_the_form_is_the_one_that_the_client_likes_most(
    filled: Running, accept: str, form: str
) -> None:
    answer = ask(filled, {}, accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, form)


def test_a_form_that_nobody_makes_is_406(filled: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = is_problem(ask(filled, {}, "text/csv"), 406)
    assert problem.field == "accept"
    assert arrow.MEDIA_TYPE in problem.detail
    monkeypatch.setattr(arrow, "find_spec", lambda _: None)
    assert "install nilometer[arrow]" in is_problem(ask(filled, {}, arrow.MEDIA_TYPE), 406).detail
    assert ask(filled, {}, f"{arrow.MEDIA_TYPE}, */*;q=0.1").status_code == 200


@pytest.mark.parametrize("path", ["query", "entities", "samples"])
def test_an_answer_that_the_client_has_is_not_sent_again(served: Running, path: str) -> None:
    sender = served.sender()
    sender.ship(feature_sample([1.0]))
    asked = {} if path == "entities" else AMOUNT

    def get(known: str = "") -> httpx.Response:
        return served.http.get(f"/api/v1/{path}", params=asked, headers={"if-none-match": known})

    first = get()
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for known in (tag, f'"other", W/{tag}', "*"):
        again = get(known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    sender.ship(feature_sample([2.0]))
    assert get(tag).status_code == 200
    assert get(tag).headers["etag"] != tag


def test_arrow_and_json_have_different_tags(filled: Running) -> None:
    assert ask(filled, {}).headers["etag"] != ask(filled, {}, arrow.MEDIA_TYPE).headers["etag"]
    assert "accept" in ask(filled, {}).headers["vary"]


def test_a_page_of_samples_is_bounded_whatever_the_request_asks(
    served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "MOST_WITH_SAMPLE", 2)
    users = ["a", "b", "c", "d", "e"]
    made = {
        user: feature_sample([float(at)], labels={"user": user}) for at, user in enumerate(users)
    }
    served.sender().ship(*made.values())
    asked = {"by": "user", "show": "sample", "limit": "10"}
    pages = [ask(served, asked).json()]
    while pages[-1]["next"]:
        pages.append(ask(served, {**asked, "after": pages[-1]["next"]}).json())
    found = [one for page in pages for one in page["series"]]
    assert [len(page["series"]) for page in pages] == [2, 2, 1]
    for one in found:
        sample = sample_from_bytes(base64.b64decode(one["points"][0]["sample"]))
        assert sample.labels == made[one["labels"]["user"]].labels
        assert one["points"][0]["count"] == 1
