"""`nilometer run` in front of real servers: every worker observes, and the sums are exact."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from support.fake_agent import FakeAgent

from nilometer.commands.run import HOOK, environment_of
from nilometer.testing import eventually
from nilometer.values.errors import ConfigError
from nilometer.values.variables import RUN

TESTS = Path(__file__).resolve().parents[1] / "support"
ROOTS = f"{TESTS}{os.pathsep}{TESTS.parent}"
ENTITY = "served"
REQUESTS = 400
BIN = Path(sys.executable).parent

UVICORN = ["uvicorn", "served_app:app", "--no-access-log", "--log-level", "warning"]
GUNICORN = ["gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", "--no-control-socket"]
SERVERS = {
    "uvicorn": [*UVICORN, "--port", "{port}", "--workers", "4"],
    "gunicorn-preload": [
        *("gunicorn", "--preload", "-w", "4", "-k", "uvicorn_worker.UvicornWorker"),
        *("-b", "127.0.0.1:{port}", "--no-control-socket", "served_app:app"),
    ],
    "gunicorn-asgi": [
        *("gunicorn", "-w", "2", "-k", "asgi", "-b", "127.0.0.1:{port}"),
        *("--no-control-socket", "served_app:app"),
    ],
    "hypercorn": ["hypercorn", "-w", "2", "-b", "127.0.0.1:{port}", "served_app:app"],
    "granian": [
        *("granian", "--interface", "asgi", "--workers", "2", "--port", "{port}"),
        "served_app:app",
    ],
    "gunicorn-sync": [*GUNICORN, "-k", "sync", "support.served_wsgi:app"],
    "gunicorn-gthread": [*GUNICORN, "--threads", "4", "--preload", "support.served_wsgi:app"],
    "gunicorn-gevent": [*GUNICORN, "-k", "gevent", "support.served_wsgi:app"],
    "flask": [*GUNICORN, "support.served_flask:app"],
    "django": [*GUNICORN, "--threads", "2", "support.served_django:app"],
    "waitress": ["waitress-serve", "--listen", "127.0.0.1:{port}", "support.served_wsgi:app"],
    "uwsgi": [
        *("uwsgi", "--http-socket", "127.0.0.1:{port}", "--master", "--processes", "2"),
        *("--enable-threads", "--die-on-term", "--module", "support.served_wsgi:app"),
    ],
    "uvicorn-wsgi": [
        *("uvicorn", "--interface", "wsgi", "--port", "{port}", "--log-level", "error"),
        "support.served_wsgi:app",
    ],
    "hypercorn-wsgi": [
        *("hypercorn", "-w", "2", "-b", "127.0.0.1:{port}", "wsgi:support.served_wsgi:app"),
    ],
    "granian-wsgi": [
        *("granian", "--interface", "wsgi", "--workers", "2", "--port", "{port}"),
        "support.served_wsgi:app",
    ],
}
# What a server needs that may not be installed.
NEEDS = {
    "gunicorn-gevent": "gevent",
    "flask": "flask",
    "django": "django",
    "waitress": "waitress",
    "uwsgi": "pyuwsgi",
}
# Servers whose workers may end without their exit functions, with what was observed in the last
# `flush_seconds`: waitress and uvicorn end at once, hypercorn kills its other workers as soon as one
# has ended, and uWSGI runs no exit function of a worker that still writes its log line.
ENDS_AT_ONCE = {"waitress", "uvicorn-wsgi", "hypercorn", "hypercorn-wsgi", "uwsgi"}

# Servers whose workers lose a SIGTERM that comes before they serve.
SERVES_LATE = {"gunicorn-asgi", "granian", "granian-wsgi"}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """The name of a server that is installed."""
    name = str(request.param)
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    return name


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[FakeAgent]:
    running = FakeAgent(tmp_path / "agent.sock")
    yield running
    running.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: list[str], agent: FakeAgent, log: Path, *options: str, port: int = 0
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = port or free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "nilometer", "run", "--entity", ENTITY),
                *("--agent", agent.address, *options, "--"),
                *(part.format(port=port) for part in command),
            ],
            env={
                **os.environ,
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "PYTHONPATH": ROOTS,
                "NILOMETER_SHUTDOWN_SECONDS": "60",  # a busy machine hands on slowly
            },
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        eventually(lambda: answers(port), poll=0.05)
        yield process, port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def post(port: int, count: int, path: str = "/predict") -> list[int]:
    """The processes that answered, from *count* requests over a few connections."""

    def some(share: int) -> list[int]:
        pids: list[int] = []
        while len(pids) < share:  # another worker may take the next connection
            with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                for _ in range(min(10, share - len(pids))):
                    connection.request(
                        "POST", path, '{"amount": 5}', {"content-type": "application/json"}
                    )
                    answer = connection.getresponse()
                    body = json.loads(answer.read())
                    assert (answer.status, body["score"]) == (200, 0.005)
                    pids.append(body["pid"])
        return pids

    with ThreadPoolExecutor(8) as pool:
        return [pid for part in pool.map(some, [count // 8] * 8) for pid in part]


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


def test_every_worker_of_a_real_server_is_observed_and_the_sum_is_exact(
    server: str, agent: FakeAgent, tmp_path: Path
) -> None:
    with running(SERVERS[server], agent, tmp_path / "log") as (process, port):
        pids = post(port, REQUESTS)
        if server in SERVES_LATE:

            def both_serve() -> bool:
                pids.extend(post(port, 8))
                return len(set(pids)) == 2

            eventually(both_serve)
        if server in ENDS_AT_ONCE:
            eventually(lambda: len(agent.observations) == len(pids), timeout=30)
        stop(process)
    log = (tmp_path / "log").read_text()
    assert len(agent.observations) == len(pids), log
    assert not agent.dropped
    # Each process that answered has a name of its own, and its share is what it answered.
    assert sorted(agent.workers.values()) == sorted(Counter(pids).values()), log
    assert {(one.outcome, one.status, one.request_body) for one in agent.observations} == {
        ("ok", 200, b'{"amount": 5}')
    }
    assert all(one.values for one in agent.observations)


def test_a_reloaded_server_is_still_observed(agent: FakeAgent, tmp_path: Path) -> None:
    source = tmp_path / "reloaded.py"
    text = (TESTS / "served_app.py").read_text()
    source.write_text(text)
    command = [
        *("uvicorn", "reloaded:app", "--app-dir", str(tmp_path), "--reload"),
        *("--reload-dir", str(tmp_path), "--port", "{port}", "--log-level", "warning"),
    ]
    with running(command, agent, tmp_path / "log") as (_, port):
        first = post(port, 8)

        def reloaded() -> bool:
            try:
                answering = post(port, 8)[0]
            except (OSError, ValueError, AssertionError):
                return False  # the old process has ended: a further change would end the new one
            if answering == first[0]:
                source.write_text(text)  # uvicorn polls times, and may not have seen the first one
            return answering != first[0]

        eventually(reloaded, poll=1.5)
        eventually(lambda: len(agent.workers) >= 2)


def test_a_process_that_profiles_itself_hands_on_no_body(agent: FakeAgent, tmp_path: Path) -> None:
    command = [*UVICORN, "--port", "{port}"]
    with running(command, agent, tmp_path / "log", "--profile-in", "process") as (process, port):
        post(port, 80)
        stop(process)
    assert agent.observations == []
    assert agent.partials == 80


def test_the_command_keeps_its_exit_code_and_its_signals(agent: FakeAgent, tmp_path: Path) -> None:
    run = [sys.executable, "-m", "nilometer", "run", "--entity", ENTITY, "--agent", agent.address]
    code = "import os, sys; print(os.getpid()); sys.exit(7)"
    with subprocess.Popen([*run, "--", sys.executable, "-c", code], stdout=-1) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 7
    assert int(output) == process.pid  # the command has taken its place
    code = "import signal, time; print(1, flush=True); signal.pause()"
    with subprocess.Popen([*run, "--", sys.executable, "-c", code], stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM


def test_a_command_that_is_not_there_is_one_line(agent: FakeAgent) -> None:
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "nilometer", "run", "--entity", ENTITY),
            *("--agent", agent.address, "--", "no-such-server", "--port", "1"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stderr == "nilometer: no-such-server: no such command\n"


def test_an_agent_is_started_where_none_answers(tmp_path: Path) -> None:
    home = tmp_path / "home"
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "nilometer", "run", "--entity", ENTITY, "--"),
            *(sys.executable, "-c", "import os, sys; sys.exit(os.waitstatus_to_exitcode(0))"),
        ],
        env={**os.environ, "NILOMETER_DIRECTORY": str(home)},
        check=False,
    )
    assert finished.returncode == 0
    from nilometer.handoff.spawn import answers as agent_answers

    eventually(lambda: agent_answers(home / "agent.sock"))
    eventually(lambda: "agent ready" in (home / "agent.log").read_text())
    # It ends by itself when no worker comes; the test does not wait for that.
    owner = subprocess.run(
        ["fuser", str(home / "agent.lock")], capture_output=True, text=True, check=False
    )
    for pid in owner.stdout.split():
        os.kill(int(pid), signal.SIGTERM)


def test_the_next_sitecustomize_runs_too(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.marked = True\n")
    environment = environment_of({**os.environ, "PYTHONPATH": str(tmp_path)}, entity=ENTITY)
    code = (
        "import sys; print(getattr(sys, 'marked', False), "
        "[type(one).__module__ for one in sys.meta_path][0])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert finished.stdout.split() == ["True", "nilometer.capture.autowrap"]


def test_the_environment_carries_what_was_asked_for() -> None:
    made = environment_of(
        {"PYTHONPATH": "a", "NILOMETER_LABELS": "zone=x"},
        entity=ENTITY,
        labels=["version=7"],
        profile_in="process",
    )
    assert made["PYTHONPATH"] == f"{HOOK}{os.pathsep}a"
    assert made["NILOMETER_LABELS"] == "zone=x,version=7"
    assert made["NILOMETER_PROFILE_IN"] == "process"
    assert made[RUN] == "1"
    with pytest.raises(ConfigError, match="key=value"):
        environment_of({}, entity=ENTITY, labels=["version"])


def test_an_application_with_its_own_middleware_is_observed_once(
    agent: FakeAgent, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(
        "from served_app import app\n"
        "from nilometer import NilometerMiddleware\n"
        "app.add_middleware(NilometerMiddleware, entity='own')\n"
    )
    command = ["uvicorn", "own:app", "--app-dir", str(tmp_path), "--port", "{port}"]
    for lifespan in ("on", "off"):
        before = len(agent.observations)
        with running([*command, "--lifespan", lifespan], agent, tmp_path / "log") as (_, port):
            post(port, 8)
            eventually(lambda before=before: len(agent.observations) >= before + 8)  # type: ignore[misc]
            time.sleep(0.3)  # a second observation of each would come now
        assert len(agent.observations) == before + 8


def test_an_application_that_mounts_an_observed_one_is_observed_once(
    agent: FakeAgent, tmp_path: Path
) -> None:
    (tmp_path / "mounting.py").write_text(
        "from served_app import app as model\n"
        "from starlette.applications import Starlette\n"
        "from starlette.middleware import Middleware\n"
        "from starlette.routing import Mount\n"
        "from nilometer import NilometerMiddleware\n"
        "own = [Middleware(NilometerMiddleware, entity='mounted')]\n"
        "sub = Starlette(routes=model.routes, middleware=own)\n"
        "app = Starlette(routes=[Mount('/sub', app=sub), *model.routes])\n"
    )
    command = ["uvicorn", "mounting:app", "--app-dir", str(tmp_path), "--port", "{port}"]
    with running(command, agent, tmp_path / "log") as (process, port):
        post(port, 8)
        for _ in range(8):
            post(port, 8, "/sub/predict")
        post(port, 8)
        stop(process)
    assert Counter((one.path, entity) for entity, one in agent.by_entity) == {
        ("/predict", ENTITY): 16,
        ("/predict", "mounted"): 64,
    }


UNOBSERVABLE = {
    "aiohttp": (
        "from aiohttp import web\nweb.run_app(web.Application(), host='127.0.0.1', port={port})\n"
    ),
    "sanic": (
        "from sanic import Sanic, text\n"
        "app = Sanic('model')\n"
        "app.add_route(lambda request: text('ok'), '/', name='root')\n"
        "app.run('127.0.0.1', {port}, single_process=True, motd=False)\n"
    ),
    "robyn": (
        "from robyn import Robyn\napp = Robyn(__file__)\napp.start(host='127.0.0.1', port={port})\n"
    ),
    "granian": (
        "from granian import Granian\n"
        "if __name__ == '__main__':\n"
        "    Granian('rsgi_app:app', address='127.0.0.1', port={port}, interface='rsgi').serve()\n"
    ),
}


@pytest.mark.parametrize("name", UNOBSERVABLE)
def test_a_server_that_cannot_be_observed_says_so_in_one_line(
    name: str, agent: FakeAgent, tmp_path: Path
) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    port = free_port()
    (tmp_path / "rsgi_app.py").write_text(
        "async def app(scope, protocol):\n    protocol.response_str(200, [], 'ok')\n"
    )
    program = tmp_path / "server.py"
    program.write_text(UNOBSERVABLE[name].format(port=port))
    log = tmp_path / "log"
    with running([sys.executable, str(program)], agent, log, port=port):
        eventually(lambda: "nilometer: " in log.read_text(), timeout=30)
    (line,) = [one for one in log.read_text().splitlines() if one.startswith("nilometer: ")]
    assert "is not observed" in line
    assert "put the agent's proxy before it" in line


def test_the_wrong_middleware_is_one_line_at_the_start(agent: FakeAgent, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "from support.served_wsgi import app as model\n"
        "from nilometer import NilometerMiddleware\n"
        "app = NilometerMiddleware(model, entity='wrong')\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", "import wrong"],
        env={**os.environ, "PYTHONPATH": f"{ROOTS}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1] == (
        "nilometer.values.errors.ConfigError: app is a WSGI application, and NilometerMiddleware "
        "observes ASGI applications: use NilometerWSGIMiddleware"
    )


def test_an_interpreter_without_nilometer_starts_as_without_us(tmp_path: Path) -> None:
    environment = environment_of(dict(os.environ), entity=ENTITY)
    finished = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import runpy; runpy.run_path({str(HOOK / 'sitecustomize.py')!r})",
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
