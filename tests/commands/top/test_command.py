"""`nilometer top` in real pseudo-terminals, beside real agents and collectors."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.asgi_zoo import echo, exchange, request_of, scope_of
from support.terminal import Terminal

from nilometer import NilometerMiddleware
from nilometer.alert import Alerter, Fixed
from nilometer.commands.top.cli import _default_socket
from nilometer.testing import amounts, eventually
from nilometer.wire.services import StatusReply, StatusRequest, agent_stub
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings
from nilometer_collector.testing import an_alerter, an_evaluation, running, service_sample

TOP = [sys.executable, "-m", "nilometer", "top"]
COLOURS = re.compile(rb"\x1b\[[0-9;]*3[0-7]m")
HOSTILE = "b\x1b[2J\x1b]0;t\x07世界\u202e\x9b1;1H"


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a")  # a short path, as a socket's must be


@contextmanager
def agent_at(home: Path, **settings: Any) -> Iterator[Agent]:
    agent = Agent(AgentSettings(directory=str(home), **{"collector": "", **settings}))
    agent.start()
    try:
        yield agent
    finally:
        agent.stop()


@pytest.fixture
def agent(home: Path) -> Iterator[Agent]:
    with agent_at(home, name="pod-1") as agent:
        yield agent


def observe(home: Path, entity: str, count: int = 50) -> None:
    """Serve *count* requests, observed by the agent at *home*, and wait until they are committed."""
    middleware = NilometerMiddleware(
        echo, entity=entity, agent=f"unix:{home}/agent.sock", shutdown_seconds=60.0
    )

    async def all_of_them() -> None:
        for value in amounts(count):
            body = json.dumps({"amount": value}).encode()
            await exchange(middleware, scope_of(), request_of(body))

    asyncio.run(all_of_them())
    assert middleware._worker is not None
    middleware._worker.stop()


def run_top(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TOP, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **variables},
    )


def test_a_terminal_of_80_by_24(agent: Agent, home: Path) -> None:
    with Terminal([*TOP, "--agent", str(home)]) as terminal:
        terminal.shows("no entity yet")
        observe(home, "fraud-scorer")
        observe(home, "churn/7", count=10)
        terminal.until(lambda: re.search(r"(?m)^fraud-scorer +[0-9.]+ +0% .* 100% ", terminal.text))
        assert terminal.lines[0].startswith("nilometer top")
        assert terminal.lines[1].startswith("agent pod-1  up ")
        assert terminal.lines[2].startswith("ENTITY")
        assert terminal.lines[3].startswith("fraud-scorer")
        assert terminal.lines[4].startswith("churn/7")
        assert terminal.lines[23].startswith("q quit")
        assert terminal.screen.cursor.hidden
        terminal.type("q")
        assert terminal.ended() == 0
        assert terminal.is_clean()


def test_a_window_that_changes_its_size(agent: Agent, home: Path) -> None:
    observe(home, "fraud-scorer")
    with Terminal([*TOP, "--agent", str(home)]) as terminal:
        terminal.shows("fraud-scorer")
        assert "TREND" not in terminal.text
        terminal.resize(200, 60)
        terminal.until(lambda: terminal.lines[59].startswith("q quit"))
        assert terminal.lines[2].endswith("TREND")
        assert terminal.text.count("q quit") == 1
        terminal.resize(24, 5)
        terminal.until(lambda: terminal.lines[4].startswith("q quit"))
        terminal.resize(3, 1)
        terminal.until(lambda: terminal.lines == ["ni…"])
        terminal.resize(80, 24)
        terminal.until(lambda: terminal.lines[23].startswith("q quit"))
        assert terminal.process.poll() is None


def test_a_window_that_was_small_for_a_moment(agent: Agent, home: Path) -> None:
    with Terminal([*TOP, "--agent", str(home)]) as terminal:
        terminal.shows("DRIFT")
        terminal.signal(signal.SIGSTOP)
        terminal.resize(20, 10)
        terminal.resize(80, 24)
        assert "DRIFT" not in terminal.text  # cut off, as terminals do
        terminal.signal(signal.SIGCONT)
        terminal.shows("DRIFT")


def test_keys_sort_filter_pause_and_look_inside(agent: Agent, home: Path) -> None:
    observe(home, "aa", count=5)
    observe(home, "zz", count=50)
    with Terminal([*TOP, "--agent", str(home), "--sort", "name"]) as terminal:
        terminal.until(lambda: terminal.lines[3].startswith("aa"))
        terminal.type("r")
        terminal.until(lambda: terminal.lines[3].startswith("zz"))
        terminal.type("/aa\r")
        terminal.shows("1 of 2 entities")
        assert "zz" not in terminal.text
        terminal.type("\x1b")
        terminal.shows(" 2 entities")
        terminal.type("\x1b[B\r")
        terminal.shows("5 in total")
        terminal.type("\rp")
        terminal.shows("PAUSED")
        terminal.type("ph")
        terminal.shows("order by the next")
        terminal.type("qq")
        assert terminal.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(agent: Agent, home: Path, number: int) -> None:
    with Terminal([*TOP, "--agent", str(home)]) as terminal:
        terminal.shows("pod-1")
        if number == signal.SIGINT:
            terminal.type("\x03")
        else:
            terminal.signal(signal.Signals(number))
        assert terminal.ended() == (0 if number == signal.SIGINT else -number)
        assert terminal.is_clean()


def test_an_error_leaves_the_terminal_as_it_was_and_is_told_there(agent: Agent, home: Path) -> None:
    broken = (
        "import sys, nilometer.commands.top.view as view\n"
        "from nilometer.commands.cli import main\n"
        "drawn = []\n"
        "def frame(*given, real=view.frame):\n"
        "    drawn.append(1)\n"
        "    print('a word of another thread', file=sys.stderr)\n"
        "    return real(*given) if len(drawn) < 3 else 1 // 0\n"
        "view.frame = frame\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    with Terminal([sys.executable, "-c", broken, "top", "--agent", str(home)]) as terminal:
        assert terminal.ended() == 1
        assert terminal.is_clean()
        left = terminal.sent.rindex(b"\x1b[?1049l")
        assert terminal.sent.index(b"ZeroDivisionError") > left
        assert terminal.sent.index(b"a word of another thread") > left


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(agent: Agent, home: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    environment = {"PS1": "ready> ", "HISTFILE": "/dev/null"}
    with Terminal([bash, "--norc", "--noprofile", "-i"], 80, 24, environment) as terminal:
        terminal.shows("ready>")
        terminal.type(f"{' '.join(TOP)} --agent {home}\n")
        terminal.shows("agent pod-1")
        terminal.type("\x1a")
        terminal.shows("Stopped")
        assert not terminal.screen.cursor.hidden
        assert terminal.sent.count(b"\x1b[?1049l") == 1
        terminal.type("fg\n")
        terminal.until(lambda: terminal.sent.count(b"\x1b[?1049h") == 2)
        terminal.until(lambda: terminal.lines[1].startswith("agent pod-1"))
        terminal.type("q")
        terminal.until(lambda: terminal.sent.count(b"\x1b[?1049l") == 2)
        terminal.type("echo left with $?\n")
        terminal.shows("left with 0")


def test_an_agent_that_goes_and_comes_back(home: Path) -> None:
    with Terminal([*TOP, "--agent", str(home), "--interval", "0.2"]) as terminal:
        terminal.shows("away: there is no")
        with agent_at(home, name="pod-1"):
            observe(home, "fraud-scorer")
            terminal.until(lambda: re.search(r"(?m)^fraud-scorer +[0-9]", terminal.text))
        terminal.shows("away for")
        terminal.until(lambda: re.search(r"(?m)^fraud-scorer +- ", terminal.text))
        with agent_at(home, name="pod-1"):
            terminal.shows("restarted 1x")
            observe(home, "fraud-scorer", count=20)
            terminal.until(lambda: re.search(r"(?m)^fraud-scorer +[0-9]", terminal.text))
            terminal.type("\r")
            terminal.shows(", 20 in total")
            terminal.type("q")
            assert terminal.ended() == 0


def test_no_color_has_no_colour_and_dumb_no_escapes(agent: Agent, home: Path) -> None:
    observe(home, "fraud-scorer")
    with Terminal([*TOP, "--agent", str(home), "--agent", "/nowhere"]) as terminal:
        terminal.shows("/nowhere  away")
        terminal.type("q")
        terminal.ended()
        assert COLOURS.search(terminal.sent)
    plain = {"NO_COLOR": "1"}
    with Terminal([*TOP, "--agent", str(home), "--agent", "/nowhere"], 80, 24, plain) as terminal:
        terminal.shows("/nowhere  away")
        terminal.type("q")
        terminal.ended()
        assert not COLOURS.search(terminal.sent)
        assert b"\x1b[?1049h" in terminal.sent
    with Terminal([*TOP, "--agent", str(home)], 80, 24, {"TERM": "dumb"}) as terminal:
        terminal.until(lambda: terminal.text.count("ENTITY") >= 2)  # one after the other
        assert b"\x1b" not in terminal.sent
        terminal.type("\x03")
        assert terminal.ended() == 0


def test_names_do_not_break_the_screen(home: Path) -> None:
    with agent_at(home, name=HOSTILE):
        observe(home, "fraud-scorer")
        with Terminal([*TOP, "--agent", str(home)]) as terminal:
            terminal.shows("fraud-scorer")
            assert terminal.lines[0].startswith("nilometer top")
            assert "agent b·[2J·]0;t·世界··1;…  up" in terminal.text
            assert terminal.lines[2].startswith("ENTITY")
            assert terminal.lines[23].startswith("q quit")
            terminal.type("q")
            assert terminal.ended() == 0


def test_a_terminal_that_knows_ascii_only(home: Path) -> None:
    with agent_at(home, name=HOSTILE):
        observe(home, "fraud-scorer")
        ascii_only = {"PYTHONIOENCODING": "ascii"}
        with Terminal([*TOP, "--agent", str(home)], 200, 24, ascii_only) as terminal:
            terminal.shows("fraud-scorer")
            terminal.shows("agent b.[2J.]0;t.????..1;1H")
            assert terminal.lines[2].endswith("TREND")
            assert terminal.sent.isascii()


def test_once_prints_a_table_and_says_whether_anybody_answers(agent: Agent, home: Path) -> None:
    observe(home, "fraud-scorer")
    there = run_top("--agent", home, "--once")
    assert there.returncode == 0
    assert "\x1b" not in there.stdout
    lines = there.stdout.splitlines()
    assert lines[0].startswith("agent pod-1  up ")
    assert re.match(r"fraud-scorer +[0-9.]+ +0% ", lines[2])
    assert there.stderr == ""
    away = run_top("--agent", home / "nothing.sock", "--once")
    assert away.returncode == 1
    assert f"away: there is no {home}/nothing.sock" in away.stdout


def test_once_finds_the_agent_that_the_environment_means(agent: Agent, home: Path) -> None:
    assert "pod-1" in run_top("--once", NILOMETER_AGENT=f"unix:{home}/agent.sock").stdout


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"NILOMETER_AGENT": "unix:/run/a.sock"}, "/run/a.sock"),
        ({"NILOMETER_AGENT": "unix:/run/a.sock", "NILOMETER_AGENT_DIRECTORY": "/d"}, "/run/a.sock"),
        ({"NILOMETER_DIRECTORY": "/d"}, "/d/agent.sock"),
        ({"NILOMETER_AGENT_DIRECTORY": "/d"}, "/d/agent.sock"),
        ({"NILOMETER_AGENT_DIRECTORY": "/d", "NILOMETER_AGENT_SOCKET": "/e/x"}, "/e/x"),
        ({"XDG_STATE_HOME": "/s"}, "/s/nilometer/agent.sock"),
    ],
)
def test_the_agent_is_the_one_that_the_environment_means(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(_default_socket()) == expected


def test_json_is_an_object_a_line(agent: Agent, home: Path) -> None:
    observe(home, "fraud-scorer")
    answer = run_top("--agent", home, "--once", "--json")
    assert answer.returncode == 0
    told = json.loads(answer.stdout)
    (entity,) = told["entities"]
    assert (entity["name"], entity["total"], entity["coverage"]) == ("fraud-scorer", 50, 1.0)
    assert 0 < entity["p50"] <= entity["p99"] < 5
    assert (told["agents"][0]["up"], told["agents"][0]["name"]) == (True, "pod-1")
    command = [*TOP, "--agent", str(home), "--json", "--interval", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as endless:
        assert endless.stdout is not None
        assert endless.stderr is not None
        for _ in range(3):
            assert json.loads(endless.stdout.readline())["agents"]
        endless.stdout.close()  # the reader has enough
        assert endless.wait(60) == 0
        assert endless.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--collector", "ftp://x"], "must be http:// or https://"),
        (
            ["--collector", "http://user:secret@127.0.0.1:1"],
            "the URL contains a token: put the token into a file",
        ),
        (["--collector", "http://127.0.0.1:1", "--token-file", "/no"], "there is no such file"),
        (["--collector", "http://x.example", "--token-file", __file__], "not sent without TLS"),
        (["--token-file", "/no"], "--token-file: needs --collector"),
        (["--interval", "0"], "0.1 to 60"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], expected: str) -> None:
    answer = run_top("--once", *arguments)
    assert answer.returncode == 2
    assert expected in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "secret" not in answer.stderr


@pytest.mark.parametrize("what", ["file", "silent", "stranger"])
def test_what_is_no_agent_is_told_apart(home: Path, what: str) -> None:
    path = home / "agent.sock"
    with socket.socket(socket.AF_UNIX) as silent, grpc_server() as stranger:
        if what == "file":
            path.write_text("mine")
        elif what == "silent":
            silent.bind(str(path))
        else:
            stranger.add_insecure_port(f"unix:{path}")
            stranger.start()
        answer = run_top("--agent", home, "--once")
    assert answer.returncode == 1
    expected = {"file": "is not a socket", "silent": "no process listens", "stranger": "no agent"}
    assert expected[what] in answer.stdout


@contextmanager
def grpc_server() -> Iterator[grpc.Server]:
    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(1))
    yield server
    server.stop(None)


def test_a_collector_tells_health_and_what_no_agent_here_knows(home: Path, tmp_path: Path) -> None:
    with running(tmp_path / "collector.db") as served:
        served.sender("elsewhere").ship(service_sample([0.2] * 120, failed=30))
        answer = run_top(
            *("--collector", served.collector.http_url, "--once", "--json"),
            XDG_STATE_HOME=str(tmp_path),
        )
        told = json.loads(answer.stdout)
        (far,) = told["entities"]
        assert (answer.returncode, told["agents"]) == (0, [])
        assert (far["windowed"], far["requests"], far["error_ratio"]) == (True, 2.0, 0.25)
        assert far["p50"] == pytest.approx(0.2, rel=0.03)
        assert far["health"] == "LEARNING"
        served.put_alerter(
            {
                "entity": "fraud-scorer",
                "name": "drift",
                "summary": "input.*",
                "kind": "FIXED",
                "statistic": "mean",
                "comparison": ">",
                "threshold": 0.2,
            }
        ).raise_for_status()
        served.sender("elsewhere-too").ship(an_evaluation(0.9, 0, alerter=an_alerter()))
        table = run_top(
            "--collector", served.collector.http_url, "--once", XDG_STATE_HOME=str(tmp_path)
        ).stdout
        assert "open episodes: 1" in table
        assert re.search(r"fraud-scorer +2.00 +25.0% .* ALERTING", table)
    gone = run_top("--collector", served.collector.http_url, "--once", XDG_STATE_HOME=str(tmp_path))
    assert gone.returncode == 1
    assert "away: Connection refused" in gone.stdout


def test_the_agents_newest_verdict_is_the_alert(home: Path) -> None:
    alerter = Alerter(
        entity="fraud-scorer",
        name="many",
        summary="input.amount",
        condition=Fixed(statistic="mean", threshold=1.0),
        minimum_count=1,
    )
    from support.far_side import FarSide

    side = FarSide()
    side.alerters.append(alerter)
    try:
        with agent_at(home, collector=side.address, plan_seconds=0.1) as agent:
            observe(home, "fraud-scorer", count=5)  # the first sight of it asks for its alerters
            eventually(lambda: agent.plans.active.alerters("fraud-scorer", "input.amount"))
            observe(home, "fraud-scorer")
            agent.engine.flush(60.0)
            (told,) = json.loads(run_top("--agent", home, "--once", "--json").stdout)["entities"]
            assert (told["status"], told["judged"], told["breaches"]) == ("BREACH", 1, 1)
            assert told["worst"][0]["alerter"] == "many"
    finally:
        side.stop()


def test_status_tells_entities_only_to_those_who_ask(agent: Agent, home: Path) -> None:
    observe(home, "fraud-scorer")
    with grpc.insecure_channel(f"unix:{home}/agent.sock") as channel:
        stub = agent_stub(channel)
        short: StatusReply = stub.Status(StatusRequest(), timeout=60)
        long: StatusReply = stub.Status(StatusRequest(entities=True), timeout=60)
    assert not short.entities
    assert (len(short.instance), short.instance) == (16, long.instance)
    (entity,) = long.entities
    assert entity.outcomes == {"ok": 50}
    assert entity.coverage.seen == short.counters["observations"] == 50
    assert sum(entity.latency.positive.counts) + entity.latency.zero_count == 50
