"""The client against a running collector: samples, points, pages, problems and entity tags."""

import asyncio
import inspect
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nilometer import AsyncClient, Client
from nilometer.client import (
    AccessDenied,
    AsyncEntity,
    AsyncSummary,
    Entity,
    Invalid,
    NotFound,
    Summary,
    conversations,
)
from nilometer.client.asked import Measures
from nilometer.client.samples import NoSamples
from nilometer.values.errors import ConfigError
from nilometer_collector.testing import (
    ENTITY,
    START_NS,
    Running,
    feature_sample,
    minute,
    running,
    service_sample,
)

START = START_NS / 1e9
VALUES = np.random.default_rng(7).lognormal(3, 1, (6, 500))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("client") / "collector.db") as served:
        served.sender("pod-1").ship(
            *(
                feature_sample(list(row), window=minute(at), labels={"country": "de"})
                for at, row in enumerate(VALUES[:3])
            ),
            service_sample([0.1, 0.2, 0.4]),
        )
        served.sender("pod-2").ship(
            *(
                feature_sample(list(row), window=minute(at), labels={"country": "fr"})
                for at, row in enumerate(VALUES[3:])
            )
        )
        yield served


@pytest.fixture
def client(served: Running) -> Iterator[Client]:
    with Client(served.collector.http_url) as client:
        yield client


def test_a_merged_quantile_is_that_of_all_windows_and_labels(client: Client) -> None:
    amount = client.entity(ENTITY).summary("input.amount")
    samples = amount.samples(start=START, end=START + 180, step=60)
    assert [one.start.timestamp() - START for one in samples] == [0, 60, 120]
    merged = samples.merge()
    assert merged.count == merged.coverage.seen == VALUES.size
    value = merged.quantile(0.99)
    assert (value >= VALUES).mean() == pytest.approx(0.99, abs=0.002)
    assert merged.cdf(value) == pytest.approx(0.99, abs=0.002)
    assert merged.statistics()["mean"] == pytest.approx(VALUES.mean())
    assert merged.quantile([0.0, 1.0]) == pytest.approx([VALUES.min(), VALUES.max()], rel=1e-4)


def test_labels_select_and_by_keeps_them(client: Client) -> None:
    amount = client.entity(ENTITY).summary("input.amount")
    of_span = partial(amount.samples, start=START, end=START + 180, step="1m")
    assert of_span(labels={"country": "de"}).merge().count == 1500
    assert of_span(labels={"country": ["de", "fr"]}).merge().count == 3000
    assert of_span(not_labels={"country": "de"}).merge().count == 1500
    apart = of_span(by=["country"])
    assert [one.labels["country"] for one in apart] == ["de"] * 3 + ["fr"] * 3
    assert [one.labels for one in of_span(by="country")] == [one.labels for one in apart]
    assert apart.merge().labels == {}
    assert apart[:3].merge().labels == {"country": "de"}


def test_the_last_hours_end_now(client: Client) -> None:
    """The samples are from 2023, so the last day has none."""
    samples = client.entity(ENTITY).summary("input.amount").samples(last="24h")
    assert len(samples) == 0
    with pytest.raises(NoSamples, match=r"input\.amount of fraud-scorer has no samples"):
        samples.merge()
    assert "no samples" in samples._repr_html_()


def test_the_latency_of_requests_has_quantiles(client: Client) -> None:
    service = client.entity(ENTITY).summary("service").samples(start=START).merge()
    assert 0 < service.quantile(0.5) < 10
    with pytest.raises(TypeError, match="is of type service, which has no distribution"):
        service.cdf(0.1)


def test_pages_are_joined(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "POINTS_AT_ONCE", 2)
    monkeypatch.setattr(conversations, "SAMPLES_AT_ONCE", 2)
    entity = client.entity(ENTITY)
    table = entity.query(
        "input.*",
        start=START,
        end=START + 180,
        step=60,
        by=["country"],
        measures=Measures(quantiles=[0.5], moments=True, statistics=["missing_ratio"]),
    )
    assert [(one.labels["country"], len(one.points)) for one in table] == [("de", 3), ("fr", 3)]
    rows = {column.name: column.cells for column in table.columns()}
    assert rows["labels.country"] == ["de"] * 3 + ["fr"] * 3
    assert rows["mean"] == pytest.approx(VALUES.mean(axis=1))
    assert rows["statistics.missing_ratio"] == [0.0] * 6
    samples = entity.summary("input.amount").samples(start=START, step=60, by=["country"])
    assert len(samples) == 6


def test_entities_summaries_and_episodes_are_listed(client: Client) -> None:
    assert [one.name for one in client.entities()] == [ENTITY]
    names = {one.name: one.labels for one in client.entity(ENTITY).summaries()}
    assert names == {"service": {}, "input.amount": {"country": ["de", "fr"]}}
    assert client.entity(ENTITY).episodes(is_open=True) == []


def test_a_problem_says_what_is_wrong(client: Client) -> None:
    with pytest.raises(NotFound, match=r"answers 404: .*'nobody'") as missing:
        client.entity("nobody").query("input.*")
    assert missing.value.status == 404
    with pytest.raises(Invalid, match="quantile") as wrong:
        client.entity(ENTITY).query("input.*", measures=Measures(quantiles=[2.0]))
    assert (wrong.value.status, wrong.value.field) == (422, "quantile")


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "<b>&", "x" * 5000])
def test_strange_names_are_refused_in_one_line(client: Client, name: str) -> None:
    with pytest.raises((NotFound, Invalid)) as refused:
        client.entity(name).summaries()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"last": "a day"}, "last = 'a day': must be a number with s, m, h, d or w"),
        ({"last": "0s"}, "last = '0s': must be above 0"),
        ({"last": math.inf}, "last = inf: must be above 0"),
        ({"last": "1h", "start": 5}, "last = '1h': must not be combined with start or end"),
        ({"start": "yesterday"}, "start = 'yesterday': must be a time"),
        ({"start": 10, "end": 10}, "end = 10: must be after start"),
        ({"step": 0.5}, "step = 0.5: must be a whole number of seconds"),
    ],
)
def test_wrong_times_are_refused_before_anything_is_sent(
    client: Client, asked: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        client.entity(ENTITY).summary("input.amount").samples(**asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["input.*", "input.?", "input.[ab]", ""])
def test_a_pattern_is_not_a_summary(client: Client, name: str) -> None:
    with pytest.raises(ConfigError, match="must be one name"):
        client.entity(ENTITY).summary(name)


def test_rows_are_logged_once_and_refused_by_row(client: Client) -> None:
    content = {"type": "number", "value": 0.5}
    row = {"entity": "batch", "summary": "logged.auc", "start": START, "seconds": 60}
    source = "ab" * 16
    assert client.log([{**row, "content": content}], source=source).stored == 1
    again = client.log([{**row, "content": content}], source=source)
    assert (again.stored, again.repeated) == (0, 1)
    assert client.log([{**row, "content": content}]).stored == 1  # a call without a name is new
    with pytest.raises(Invalid, match="1 rows are refused") as refused:
        client.log([{**row, "seconds": 0, "content": content}], source="cd" * 16)
    (problem,) = refused.value.rows
    assert (problem.row, problem.field) == (0, "seconds")
    with pytest.raises(ValueError, match="content is not JSON"):
        client.log([{"entity": object()}], source=source)


def test_the_asynchronous_client_returns_the_same(served: Running, client: Client) -> None:
    async def ask() -> tuple[float, list[str], int]:
        async with AsyncClient(served.collector.http_url) as other:
            entity = other.entity(ENTITY)
            samples = await entity.summary("input.amount").samples(start=START, step=60)
            names = [one.name for one in await entity.summaries()]
            return samples.merge().quantile(0.9), names, len(await entity.query("input.*"))

    entity = client.entity(ENTITY)
    samples = entity.summary("input.amount").samples(start=START, step=60)
    here = (
        samples.merge().quantile(0.9),
        [one.name for one in entity.summaries()],
        len(entity.query("input.*")),
    )
    assert asyncio.run(ask()) == here


@pytest.mark.parametrize(
    ("here", "there"), [(Client, AsyncClient), (Entity, AsyncEntity), (Summary, AsyncSummary)]
)
def test_both_clients_have_the_same_methods(here: type, there: type) -> None:
    mine, other = (
        {name: one for name, one in vars(kind).items() if callable(one) and name[0] != "_"}
        for kind in (here, there)
    )
    renamed = {"close": "aclose"}
    assert {renamed.get(name, name) for name in mine} == other.keys()
    for name, method in mine.items():
        twin = other[renamed.get(name, name)]
        returns_handle = name in {"entity", "summary"}
        assert inspect.iscoroutinefunction(twin) is not returns_handle
        if not returns_handle:
            assert str(inspect.signature(method)) == str(inspect.signature(twin))
            assert name == "close" or inspect.getdoc(method) == inspect.getdoc(twin)


def test_a_token_goes_only_over_tls_or_to_this_machine(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    with pytest.raises(ConfigError, match="a token is not sent without TLS"):
        Client("http://collector.example:7500", token_file=str(token))
    with pytest.raises(ConfigError, match="there is no such file"):
        Client(token_file=str(tmp_path / "other"))


@pytest.mark.parametrize("content", ["secret\nX-Other: 1", "secr\u00e9t", "secret\x00"])
def test_a_broken_token_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    with (
        Client("http://127.0.0.1:1", token_file=str(token)) as client,
        pytest.raises(ConfigError, match="must have one line of printable ASCII") as refused,
    ):
        client.entities()
    assert "secr" not in str(refused.value)


def test_a_wrong_token_is_denied(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("wrong")
    principal = {"name": "reader", "token_sha256": ["0" * 64], "read": ["*"]}
    with (
        running(tmp_path / "collector.db", principals=[principal]) as served,
        Client(served.collector.http_url, token_file=str(token)) as client,
        pytest.raises(AccessDenied) as denied,
    ):
        client.entities()
    assert denied.value.status == 401
    assert "wrong" not in str(denied.value)
