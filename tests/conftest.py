"""Settings that hold for every test."""

import gc
import os
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path

import pytest
from blockbuster import BlockBuster
from hypothesis import HealthCheck, settings

# gRPC's own work around a fork lets a third of the children crash that run a program as another user,
# such as PostgreSQL's, while other threads use gRPC. It must be off before gRPC is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from nilometer_collector.demo.postgresql import Server, programs, running_server

settings.register_profile(
    "tests",
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
# `make quality` draws new examples each time and prints the seed.
settings.register_profile(
    "random",
    settings.get_profile("tests"),
    derandomize=False,
    max_examples=500,
    print_blob=True,
)
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let continuous integration ask that every test runs."""
    parser.addoption("--no-skips", action="store_true", help="fail where a test is skipped")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector pass over modules and tests: they live until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> None:
    """Say how to get what was left out."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("left out")
        terminalreporter.line(
            f"{len(skipped)} tests were skipped, for the reasons below. As root on Debian, "
            "scripts/install_ci.sh installs what they need."
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where a test was skipped and none may be."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server of this process's tests."""
    folder = programs()
    if folder is None:
        pytest.skip("there is no PostgreSQL server (initdb), or no setpriv, on this machine")
    pytest.importorskip("psycopg", reason="psycopg is not installed: nilometer[postgresql]")
    with running_server(folder) as server:
        yield server


@pytest.fixture(scope="session")
def prepared_postgresql(postgresql: Server) -> str:
    """The URL of a database with the current schema and no data, of which tests get copies."""
    from nilometer_collector.access.secret import Secret
    from nilometer_collector.store import open_store  # slow to import, and few tests need it

    url = postgresql.create_database()
    open_store(Secret(url), "").close()
    return url


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the current schema and no data, of which tests get copies."""
    from nilometer_collector.store import open_store

    path = tmp_path_factory.mktemp("prepared") / "state" / "collector.db"
    open_store(path, "").close()
    return path


@pytest.fixture(scope="session")
def state_directories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A new directory at each turn.

    All are in one directory. A factory numbers its own by a look at all that it has made: after some
    thousand tests that takes ten milliseconds, and so does each `tmp_path`.
    """
    home = tmp_path_factory.mktemp("s")

    def new() -> Iterator[Path]:
        for number in count():
            path = home / str(number)
            path.mkdir(mode=0o700)
            yield path

    return new()


@pytest.fixture(autouse=True)
def own_state_directory(monkeypatch: pytest.MonkeyPatch, state_directories: Iterator[Path]) -> None:
    """No test reads or writes the user's state, and no setting leaks in from outside."""
    monkeypatch.setenv("XDG_STATE_HOME", str(next(state_directories)))
    for name in list(os.environ):
        if name.startswith("NILOMETER_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def blocking_calls() -> BlockBuster:
    """What finds blocking calls, made once because it looks at many functions."""
    found = BlockBuster(["nilometer", "nilometer_agent"])
    # gRPC joins a thread of its own wherever its last object is collected as garbage, perhaps
    # during another test. Its code is compiled and leaves no frame that could be named here.
    found.functions["threading.Lock.acquire"].can_block_in("threading.py", {"join"})
    return found


@pytest.fixture(autouse=True)
def nothing_blocks_an_event_loop(
    request: pytest.FixtureRequest, blocking_calls: BlockBuster
) -> Iterator[None]:
    """A blocking call of the library or the agent on an event loop raises BlockingError."""
    if request.node.get_closest_marker("may_block"):
        yield
        return
    blocking_calls.activate()
    try:
        yield
    finally:
        blocking_calls.deactivate()
