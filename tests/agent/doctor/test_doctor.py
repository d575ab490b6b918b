"""`nilometer doctor` on set-ups that are healthy, and broken in every way that can be made here."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.far_side import FarSide

from nilometer.handoff.link import AgentLink
from nilometer.handoff.settings import CaptureSettings
from nilometer.profiling.observation import pack
from nilometer.testing import eventually
from nilometer.values.reasons import DropReason, UndecodableReason
from nilometer.wire.frames import Batch
from nilometer_agent.doctor.checks.coverage import DECLARE, DROPPED, EVENT_TIMES, UNDECODABLE
from nilometer_agent.doctor.doctor import CHECKS, examine
from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.doctor.states import STATES
from nilometer_agent.measure.counters import Counter
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.ship import CollectorState
from nilometer_collector.demo.processes import free_port

ROW = (
    *(1_700_000_000_000_000_000, 0.01, 200, "ok", "POST", "/predict", 13, 2),
    *("application/json", "", "application/json", "", b'{"amount": 1}', b'{"risk": 1}', ""),
)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("a")
    found.chmod(0o700)
    return found


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    running = FarSide()
    yield running
    running.stop()


@contextmanager
def running(settings: AgentSettings) -> Iterator[Agent]:
    agent = Agent(settings)
    agent.start()
    try:
        yield agent
    finally:
        agent.stop()


def told(home: Path, collector: str = "", **more: Any) -> AgentSettings:
    return AgentSettings(
        directory=str(home), collector=collector, commit_seconds=0.02, plan_seconds=0.1, **more
    )


@contextmanager
def worker(home: Path, *batches: Batch) -> Iterator[AgentLink]:
    """A worker that stays, and whose *batches* are committed."""
    agent = f"unix:{home / 'agent.sock'}"
    link = AgentLink(CaptureSettings(entity="tested", agent=agent), b"w" * 16)

    def acknowledged() -> bool:
        link.poll()
        return not link.unacknowledged_batches

    try:
        for batch in batches:
            link.send(batch, batch.count)
        eventually(acknowledged)
        yield link
    finally:
        link.finish(time.monotonic() + 5.0)


def batch(count: int = 1, **more: Any) -> Batch:
    return Batch(entity="tested", observations=pack([ROW] * count), count=count, **more)


def said(
    settings: AgentSettings, check: str = "", environment: dict[str, str] | None = None
) -> list[Finding]:
    """What is not ok, of *check* if one is named."""
    return [
        one
        for one in examine(settings, environment or {})
        if one.level is not Level.OK and (not check or one.check == check)
    ]


def texts(found: Sequence[Finding]) -> str:
    return "\n".join(f"{one.check} {one.level.value} {one.text} -> {one.remedy}" for one in found)


def test_every_reason_and_every_state_has_a_remedy() -> None:
    assert set(DROPPED) == set(DropReason)
    assert set(UNDECODABLE) == set(UndecodableReason)
    fine = {CollectorState.READY.value, CollectorState.UNSET.value}
    assert set(STATES) == {state.value for state in CollectorState} - fine


def test_a_healthy_set_up_has_nothing_wrong(home: Path, far_side: FarSide) -> None:
    settings = told(home, far_side.address)
    with running(settings) as agent, worker(home, batch(5)):
        agent.engine.flush(60.0)
        eventually(lambda: agent.status().counters["rows_acknowledged"] > 0)
        found = list(examine(settings, {}))
        assert texts([one for one in found if one.level is not Level.OK]) == ""
        assert {one.check for one in found} == {
            *("directory", "socket", "agent", "buffer", "workers", "coverage", "rules"),
            *("accounts", "collector", "shipping"),
        }
        shown = texts(found)
        assert "1 worker connected" in shown
        assert "5 of 5 observations have columns" in shown


def test_no_directory_and_no_agent(home: Path) -> None:
    found = said(told(home / "nothing", "127.0.0.1:1"))
    assert [one.check for one in found] == ["directory", "socket", "collector"]
    assert {one.level for one in found} == {Level.BROKEN}
    assert "this directory does not exist" in texts(found)
    assert "Connection refused" in texts(found)
    assert all(one.remedy for one in found)


def test_a_regular_file_where_the_socket_should_be(home: Path) -> None:
    (home / "agent.sock").write_text("")
    assert "is not a socket" in texts(said(told(home), "socket"))


def test_a_socket_that_nobody_listens_on(home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "agent.sock"))
    (found,) = said(told(home), "socket")
    assert (found.remedy, found.level) == ("start the agent: `nilometer agent`", Level.BROKEN)


@pytest.mark.parametrize("name", ["agent.sock", "agent.sock.frames"])
def test_a_socket_that_was_removed_under_a_running_agent(home: Path, name: str) -> None:
    with running(told(home)):
        (home / name).unlink()
        assert "an agent uses" in texts(said(told(home), "socket"))


def test_a_file_where_the_directory_should_be_and_one_that_others_read(home: Path) -> None:
    (home / "file").write_text("")
    assert "is not a directory" in texts(said(told(home / "file"), "directory"))
    home.chmod(0o755)
    (found,) = said(told(home), "directory")
    assert found.remedy == f"chmod 0700 {home}"


def test_no_server_is_connected(home: Path) -> None:
    with running(told(home)):
        (found,) = said(told(home))
        assert (found.check, found.level) == ("workers", Level.WARNING)


def test_losses_are_told_by_reason_with_their_remedies(home: Path) -> None:
    lost = batch(dropped={"queue_full": 4})
    nothing = list(ROW)
    nothing[8] = nothing[10] = "application/x-unheard-of"
    odd = Batch(entity="tested", observations=pack([tuple(nothing)] * 2), count=2)
    with running(told(home)) as agent, worker(home, lost, odd):
        eventually(lambda: agent.status().counters["observations"] == 7)
        found = said(told(home), "coverage")
        assert [(one.text, one.level) for one in found] == [
            ("4 lost: queue_full", Level.BROKEN),
            ("2 without columns: unknown_content_type", Level.WARNING),
        ]
        assert found[0].remedy == DROPPED[DropReason.QUEUE_FULL]
        assert not said(told(home), "accounts")


def test_cells_without_a_name_and_columns_without_a_place_are_told(home: Path) -> None:
    request = list(ROW)
    tensor = b'{"name": "%s", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}'
    request[12] = b'{"inputs": [' + tensor % b"jo@example.com" + b"]}"
    values = Batch(entity="tested", observations=pack([tuple(request)] * 2), count=2)
    with running(told(home)) as agent, worker(home, values):
        eventually(lambda: agent.status().counters["observations"] == 2)
        assert dict(agent.status().unnamed) == {"number": 6}
        agent.counters.add(Counter.COLUMNS_OVER_LIMIT, 3)
        agent.counters.add_all({}, {Counter.CELLS_LOST: {"other_kind": 5}})
        assert dict(agent.status().lost_cells) == {"other_kind": 5}
        found = said(told(home), "coverage")
        assert [(one.text, one.level) for one in found] == [
            ("5 cells lost: other_kind", Level.WARNING),
            ("3 columns refused: an entity can have 1,000 features", Level.WARNING),
            ("6 unnamed cells: 6 number", Level.WARNING),
        ]
        assert {one.remedy for one in found[1:]} == {DECLARE}


def test_event_times_that_cannot_be_read_are_told(home: Path) -> None:
    times = ("soon", 1_700_000_000_123, None, 17)
    rows = [list(ROW) for _ in times]
    for row, when in zip(rows, times, strict=True):
        row[12] = json.dumps({"when": when, "amount": 1}).encode()
    batch = Batch(
        entity="tested",
        observations=pack([tuple(row) for row in rows]),
        count=len(rows),
        event_time_field="when",
        event_time_unit="ms",
    )
    with running(told(home)) as agent, worker(home, batch):
        eventually(lambda: agent.status().counters["observations"] == len(times))
        assert agent.status().counters["unread_times"] == 1  # 17 ms after 1970 is a time, too
        found = said(told(home), "coverage")
        assert [(one.text, one.level, one.remedy) for one in found] == [
            (
                "1 event times could not be read; their arrival time is used",
                Level.WARNING,
                EVENT_TIMES,
            )
        ]


def test_a_lost_side_is_told_with_its_remedy(home: Path) -> None:
    long, odd = list(ROW), list(ROW)
    long[13], odd[10] = None, "application/x-unknown"
    bodies = Batch(entity="tested", observations=pack([tuple(long)] * 3 + [tuple(odd)]), count=4)
    with running(told(home)) as agent, worker(home, bodies):
        eventually(lambda: agent.status().counters["observations"] == 4)
        assert dict(agent.status().lost_outputs) == {"too_large": 3, "unknown_content_type": 1}
        assert not agent.status().lost_inputs
        counters = agent.status().counters
        assert (counters["outputs_lost"], counters["inputs_lost"]) == (4, 0)
        found = said(told(home), "coverage")
        assert [(one.text, one.level) for one in found] == [
            ("3 profiled, outputs lost: too_large", Level.WARNING),
            ("1 profiled, outputs lost: unknown_content_type", Level.WARNING),
        ]
        assert found[0].remedy == UNDECODABLE[UndecodableReason.TOO_LARGE]


def test_accounts_that_do_not_add_up(home: Path) -> None:
    with running(told(home)) as agent:
        agent.counters.add(Counter.OBSERVATIONS, 2)
        found = said(told(home), "accounts")
        assert len(found) == 2
        assert "off by 2: 2 cannot be found" in found[0].text


def test_an_agent_that_hangs(home: Path) -> None:
    command = [sys.executable, "-m", "nilometer_agent", "--directory", str(home), "--collector", ""]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            eventually((home / "agent.sock").exists)
            eventually(lambda: not said(told(home), "agent"))
            process.send_signal(signal.SIGSTOP)
            assert "does not answer" in texts(said(told(home), "agent"))
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()


def test_a_disk_that_cannot_be_used_and_an_outbox_that_is_full(home: Path) -> None:
    settings = told(home, max_outbox_bytes=1 << 20)
    with running(settings) as agent:
        agent.counters.add(Counter.ROWS_DROPPED_FOR_SPACE, 7)
        found = said(settings, "buffer")
        assert found[0].text.startswith("7 rows dropped")
        assert found[0].level is Level.BROKEN
        agent.buffer.gauges = lambda: {  # type: ignore[method-assign]
            **dict.fromkeys(("rows_in_outbox", "rows_in_quarantine", "lag_seconds"), 9),
            **dict.fromkeys(("observations_in_outbox", "observations_in_partials"), 0),
            "buffer_bytes": 90,
            "buffer_bytes_cap": 100,
            "buffer_durable": 0,
        }
        shown = texts(said(settings, "buffer"))
        assert "in memory only" in shown
        assert "9 rows wait, 90 B of 100 B" in shown


def test_a_collector_that_is_down_and_one_that_is_another(home: Path, far_side: FarSide) -> None:
    away = f"127.0.0.1:{free_port()}"
    with running(told(home, away)) as agent, worker(home, batch()):
        agent.engine.flush(60.0)
        eventually(lambda: agent.status().collector_state == "unavailable")
        assert [one.check for one in said(told(home, away)) if one.level is Level.BROKEN] == [
            *("collector", "shipping"),
        ]
        found = said(told(home, far_side.address), "collector")
        assert "the settings here say" in texts(found)


def test_nothing_to_ship_yet_is_no_finding(home: Path, far_side: FarSide) -> None:
    settings = told(home, far_side.address)
    with running(settings), worker(home, batch()):
        assert said(settings) == []


def test_two_agents_under_one_name(home: Path, far_side: FarSide) -> None:
    with running(told(home, far_side.address)) as agent:
        agent.shipper.duplicate = True
        assert "another process ships as" in texts(said(told(home, far_side.address), "agent"))


def test_an_otlp_endpoint_that_fails_and_a_proxy_that_is_not_followed(home: Path) -> None:
    settings = told(home, otlp_endpoint="http://127.0.0.1:1", otlp_interval_seconds=0.1)
    with running(settings) as agent:
        eventually(lambda: agent.status().counters["export_failures"] > 0)
        found = said(settings, environment={"HTTP_PROXY": "http://user:secret@127.0.0.1:1"})
        assert {one.check for one in found} == {"workers", "otlp", "proxy"}
        assert "secret" not in texts(found)


def test_a_key_that_others_can_read(home: Path) -> None:
    token = home / "token"
    token.write_text("a secret")
    token.chmod(0o644)
    found = said(told(home, "127.0.0.1:1", token_file=str(token)), "secrets")
    assert f"chmod 0600 {token}" in texts(found)
    assert "a secret" not in texts(found)


def test_a_look_that_fails_hides_no_other(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(examined: object) -> Iterator[Finding]:
        raise RuntimeError("no idea")
        yield

    monkeypatch.setitem(CHECKS, "buffer", fails)
    with running(told(home)):
        found = said(told(home))
    assert [one.check for one in found] == ["buffer", "workers"]
    assert "RuntimeError: no idea" in found[0].text


def test_the_command(home: Path) -> None:
    command = [sys.executable, "-m", "nilometer", "doctor", "--directory", str(home)]
    command += ["--collector", ""]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "no agent runs here" in done.stdout
    assert done.stdout.splitlines()[-1] == "broken: 1, warnings: 0"
    assert "\x1b" not in done.stdout
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    read = json.loads(done.stdout)
    assert (read["healthy"], done.returncode) == (False, 1)
    assert {one["check"] for one in read["findings"]} == {
        *("directory", "socket", "collector", "rules")
    }
    done = subprocess.run(
        [*command, "--window-seconds", "7"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "window_seconds = 7" in done.stderr
