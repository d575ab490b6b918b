"""What leaves the model server, searched byte by byte: docs/privacy.md says what is there."""

import asyncio
import json
import logging
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from support.asgi_zoo import echo, exchange, request_of, scope_of
from support.canaries import Canary, Search
from support.otlp_receiver import GrpcReceiver

from nilometer import NilometerMiddleware
from nilometer.batch.reference import reference_of
from nilometer.batch.reference_upload import put_reference
from nilometer.testing import amounts, eventually
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_collector.demo.processes import free_port
from nilometer_collector.testing import Running, running

Level = Literal["open", "pod", "strict"]
Place = Literal["agent", "process"]

ENTITY = "watched"
REQUESTS = 400
LONG = 212_873  # characters of the one long text; no id of a process is as large by default

CANARIES: dict[str, Canary] = {
    "largest": 7310529.481634,
    "smallest": -918273.645102,
    "account": 48151623427.0,
    "alone beside zeros": 555000.424247,
    "of a rare field": 64738291.253817,
    "score": 0.731052948163,
    "category": "quokka-street-17",
    "long text": "a wombat wrote these words",
    "key": "numbatkey",
    "malformed": "bilby-in-a-broken-body",
    "query": "dunnart-in-the-query",
    "header": "kowari-in-a-header",
    "length of the text": float(LONG),
}
# Never handed on, whatever the level.
NEVER = {"long text", "malformed", "query", "header"}


class Tap:
    """Passes a connection on and keeps every byte of it."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.there = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.create_connection(self._target)
                for ends in ((ours, theirs, self.there), (theirs, ours, bytearray())):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                kept += piece
                sink.sendall(piece)
        for end in (source, sink):
            end.close()


def rows() -> Iterator[dict[str, object]]:
    """Ordinary rows with a few canaries among them."""
    values = amounts(REQUESTS, seed=5)
    for number, value in enumerate(values):
        row: dict[str, object] = {
            "amount": value,
            "account": 1000.0 + 37 * number,
            "country": ("de", "fr", "jp")[number % 3],
            "flag": 0.0,
            "note": "plain words " * (6 + number % 50),
            "score": 0.05 + 0.6 * number / REQUESTS,
        }
        match number:
            case 101:
                row["amount"] = CANARIES["largest"]
            case 102:
                row["amount"] = CANARIES["smallest"]
            case 103:
                row["account"] = CANARIES["account"]
            case 104:
                row["flag"] = CANARIES["alone beside zeros"]
            case 105:
                row["score"] = CANARIES["score"]
            case 106:
                row["note"] = (f"{CANARIES['long text']} " * 10_000)[:LONG]
            case 107 | 108 | 109:
                row[f"{CANARIES['key']}"] = 1.0
                row["country"] = CANARIES["category"]
                row["rare"] = CANARIES["of a rare field"]
            case _:
                pass
        yield row


async def post_all(middleware: NilometerMiddleware) -> None:
    scope = scope_of()
    scope["query_string"] = f"who={CANARIES['query']}".encode()
    scope["headers"] = [*scope["headers"], (b"x-who", str(CANARIES["header"]).encode())]
    bodies = [json.dumps(row).encode() for row in rows()]
    bodies.insert(50, f'{{"amount": "{CANARIES["malformed"]}'.encode())
    for body in bodies:
        _, error = await exchange(middleware, scope, request_of(body))
        assert error is None


def ready_reference(collector: Running) -> None:
    """A reference of one numeric column and one alerter on its largest number."""
    import pyarrow

    told = {"input.account": [float(number) for number in range(1000, 20_000, 7)]}
    reference = reference_of(
        pyarrow.table(told), entity=ENTITY, name="training", source="test", created_ns=1
    )
    put_reference(reference, collector.collector.grpc_target)
    rule = {
        "entity": ENTITY, "name": "most", "summary": "input.amount", "kind": "FIXED",
        "statistic": "max", "comparison": ">", "threshold": 10.0, "minimum_count": 1,
    }  # fmt: skip
    collector.put_alerter(rule).raise_for_status()


def answers(collector: Running) -> Iterator[bytes]:
    """Every answer of the collector's API."""

    def asked(path: str, **parameters: str) -> Any:
        return collector.http.get(f"/api/v1/{path}", params=parameters).raise_for_status()

    yield asked("entities").content
    found = asked("summaries", entity=ENTITY)
    yield found.content
    for summary in found.json()["summaries"]:
        for more in ({}, {"reference": "training"}):
            yield asked("samples", entity=ENTITY, summary=summary["name"], **more).content
    for path in ("references", "alerters", "episodes"):
        yield asked(path, entity=ENTITY).content
    yield collector.http.get("/openapi.json").content


def check_totals(collector: Running) -> None:
    """Whatever is told of them: every cell is counted."""

    def whole(summary: str) -> dict[str, Any]:
        (sample,) = collector.get("samples", entity=ENTITY, summary=summary, step=86400)["samples"]
        found: dict[str, Any] = sample
        return found

    for name in ("amount", "account", "flag", "score"):
        feature = whole(f"input.{name}")["feature"]
        assert feature["types"] == {"number": REQUESTS}
        assert feature["count"] + feature["suppressed"] == REQUESTS
        assert feature["count"] >= REQUESTS - 19
    country = whole("input.country")["feature"]
    assert (country["count"], country["types"]) == (REQUESTS, {"string": REQUESTS})
    coverage = whole("service")["coverage"]
    assert (coverage["profiled"], coverage["undecodable"]) == (REQUESTS, {"malformed": 1})
    named = {one["name"] for one in collector.get("summaries", entity=ENTITY)["summaries"]}
    rare = {
        f"{side}.{field}" for side in ("input", "output") for field in ("rare", CANARIES["key"])
    }
    told = [whole(name)["feature"]["types"]["number"] for name in rare & named]
    assert sum(told) + coverage["suppressed"] >= 3 * len(rare)
    assert bool(coverage["suppressed"]) == (not rare & named)


def searched(
    home: Path,
    caplog: pytest.LogCaptureFixture,
    level: Level,
    *,
    place: Place = "agent",
    asked_for: Level = "open",
) -> Search:
    """All of it under one level: traffic, both disks, every way out, every answer, the log."""
    caplog.set_level(logging.DEBUG, "nilometer")
    search = Search(CANARIES)
    receiver = GrpcReceiver()
    metrics = f"127.0.0.1:{free_port()}"
    agent_home = home / "agent"
    with running(home / "collector" / "collector.db", privacy=asked_for) as collector:
        ready_reference(collector)
        tap = Tap(collector.collector.grpc_target)
        agent = Agent(
            AgentSettings(
                directory=str(agent_home), collector=tap.address, privacy=level,
                metrics_address=metrics, otlp_endpoint=receiver.url, otlp_protocol="grpc",
                otlp_interval_seconds=0.2, scores={"output.score": (0.5,)},
                names_key="a key of this test", plan_seconds=0.1,
            )
        )  # fmt: skip
        agent.plans.see(ENTITY)
        agent.start()
        try:
            eventually(lambda: agent.plans.active.alerters(ENTITY, "input.amount"))
            middleware = NilometerMiddleware(
                echo, entity=ENTITY, agent=f"unix:{agent_home / 'agent.sock'}", profile_in=place,
                readable_categories=["*"], query_parameters=[], shutdown_seconds=60.0,
            )  # fmt: skip
            asyncio.run(post_all(middleware))
            assert middleware._worker is not None
            middleware._worker.stop()
            eventually(lambda: agent.status().counters["observations"] == REQUESTS + 1)
            assert agent.status().gauges["observations_in_partials"] == REQUESTS + 1
            search.directory("agent's disk, open windows", agent_home)
            agent.engine.flush(60.0)
            eventually(lambda: agent.status().gauges["rows_in_outbox"] == 0)
            exported = len(receiver.requests)
            eventually(lambda: len(receiver.requests) > exported + 1)
            search.text("status", str(agent.status(entities=True)).encode())
            scraped = urllib.request.urlopen(f"http://{metrics}/metrics", timeout=60).read()
            search.text("prometheus", scraped)
            search.directory("agent's disk, closed windows", agent_home)
            for request in receiver.requests.copy():  # more come meanwhile
                search.packed("otlp", request.SerializeToString())
                search.text("otlp", str(request).encode())
            for answer in answers(collector):
                search.text("api", answer)
            check_totals(collector)
        finally:
            agent.stop()
            receiver.stop()
            tap.close()
        search.directory("agent's disk, ended", agent_home)
        search.packed("wire", bytes(tap.there))
    search.directory("collector's disk", home / "collector")
    for record in caplog.records:
        search.text("log", str(record.__dict__).encode())
    assert min(search.searched.values()) > 500
    assert len(search.searched) == 10
    return search


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c")


STORED = {
    "agent's disk, open windows", "agent's disk, closed windows", "wire", "collector's disk", "api",
}  # fmt: skip
EXPORTED = {"otlp", "prometheus", "status"}


@pytest.mark.parametrize(
    ("level", "asked_for", "place"),
    [("strict", "open", "agent"), ("strict", "open", "process"), ("open", "strict", "agent")],
)
def test_strict_tells_no_canary_anywhere(
    home: Path, caplog: pytest.LogCaptureFixture, level: Level, asked_for: Level, place: Place
) -> None:
    """Whether the agent's own settings say so or the collector asks for it."""
    search = searched(home, caplog, level, place=place, asked_for=asked_for)
    assert {where: hits for where, hits in search.found.items() if hits} == {}


@pytest.mark.parametrize("level", ["open", "pod"])
def test_the_other_levels_tell_what_is_documented(
    home: Path, caplog: pytest.LogCaptureFixture, level: Level
) -> None:
    search = searched(home, caplog, level)
    names = {"key", "category"} if level == "open" else {"key"}
    documented = names | {name for name, canary in CANARIES.items() if isinstance(canary, float)}
    for where in STORED:
        assert search.found[where] == documented, where
    for where in EXPORTED:
        assert "largest" in search.found[where], where  # the value that an alerter judged
        assert search.found[where] <= documented, where
    assert not search.found["log"]
    assert NEVER.isdisjoint(set().union(*search.found.values()))
