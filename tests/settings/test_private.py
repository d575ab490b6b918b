"""Directories and files that somebody else made, and the modes of our own."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nilometer.handoff.spawn import AgentSpawner
from nilometer.settings.private import check_private, open_private, private_directory
from nilometer.testing import eventually
from nilometer.values.errors import ConfigError
from nilometer_agent.server import Agent
from nilometer_agent.settings import AgentSettings

FOREIGN_UID = 1234
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.usefixtures("open_umask")
def test_a_directory_and_its_parents_are_the_owners_whatever_the_umask(tmp_path: Path) -> None:
    made = tmp_path / "a" / "b" / "c"
    private_directory("directory", made)
    assert [mode(one) for one in (made, made.parent, made.parent.parent)] == [0o700] * 3


@pytest.mark.usefixtures("open_umask")
def test_a_file_has_its_mode_whatever_the_umask_and_whatever_it_was(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_text("before")
    old.chmod(0o666)
    for path in (new, old):
        os.close(open_private(path, os.O_RDWR | os.O_CREAT))
        assert mode(path) == 0o600
    assert old.read_text() == "before"


def test_a_directory_that_all_may_write_to_is_refused_unless_it_is_sticky(tmp_path: Path) -> None:
    place = tmp_path / "open"
    place.mkdir()
    os.chown(place, os.geteuid(), -1)
    for wrong, right in ((0o777, 0o1777), (0o702, 0o770)):
        place.chmod(right)
        private_directory("directory", place)
        place.chmod(wrong)
        if os.geteuid() == 0:  # a volume of a pod is root's, and open to all
            private_directory("directory", place)
            continue
        with pytest.raises(ConfigError, match=r"every user may write there; run chmod o-w"):
            private_directory("directory", place)


@needs_root
def test_a_directory_of_another_user_is_refused_unless_he_is_allowed(tmp_path: Path) -> None:
    place = tmp_path / "foreign"
    place.mkdir(0o700)
    os.chown(place, FOREIGN_UID, -1)
    with pytest.raises(ConfigError, match=f"belongs to uid {FOREIGN_UID}"):
        private_directory("directory", place)
    private_directory("directory", place, [FOREIGN_UID])
    place.chmod(0o777)
    with pytest.raises(ConfigError, match="every user may write there"):
        private_directory("directory", place, [FOREIGN_UID])


def test_a_file_where_the_directory_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match="directory = "):
            private_directory("directory", path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "agent.log"
    victim.write_text("precious")
    link.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        open_private(link, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with pytest.raises(ConfigError, match=r"agent\.log is a link"):
        check_private("directory", tmp_path / "missing", link)
    assert victim.read_text() == "precious"


def test_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for flags in (os.O_WRONLY, os.O_RDWR):
        with pytest.raises(OSError, match=r"not a file of this user|No such device"):
            open_private(tmp_path / "pipe", flags)


@needs_root
def test_a_file_of_another_user_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("")
    os.chown(tmp_path / "theirs", FOREIGN_UID, -1)
    with pytest.raises(PermissionError, match="not a file of this user"):
        open_private(tmp_path / "theirs", os.O_RDWR)
    with pytest.raises(ConfigError, match="another user's"):
        check_private("directory", tmp_path / "theirs")


@pytest.mark.parametrize("name", ["agent.lock", "agent.db", "agent.db-wal"])
def test_an_agent_does_not_start_on_a_planted_link(tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    home = tmp_path / "h"
    home.mkdir(0o700)
    (home / name).symlink_to(elsewhere)
    with pytest.raises(ConfigError, match=name.replace(".", r"\.")):
        Agent(AgentSettings(directory=str(home), collector=""))
    assert not elsewhere.exists()


@pytest.mark.parametrize("name", ["agent.log", "spawn.lock"])
def test_a_worker_starts_no_agent_on_a_planted_link(tmp_path: Path, name: str) -> None:
    victim, home = tmp_path / "victim", tmp_path / "h"
    victim.write_text("precious")
    home.mkdir(0o700)
    (home / name).symlink_to(victim)
    spawner = AgentSpawner(home)
    spawner.start_if_needed()
    assert "symbolic link" in spawner.trouble
    assert not spawner.starting
    assert victim.read_text() == "precious"


def test_all_files_of_an_agent_that_a_worker_started_are_the_owners(tmp_path: Path) -> None:
    home = tmp_path / "h"
    code = (
        "import os, sys, time; os.umask(0); from pathlib import Path; "
        "from nilometer.handoff.spawn import AgentSpawner, answers; home = Path(sys.argv[1]); "
        "AgentSpawner(home).start_if_needed(); until = time.monotonic() + 20\n"
        "while not answers(home / 'agent.sock.frames') and time.monotonic() < until: time.sleep(.05)"
    )
    environment = {
        **os.environ,
        "NILOMETER_AGENT_COLLECTOR": "",
        "NILOMETER_AGENT_IDLE_SECONDS": "1",
    }
    subprocess.run([sys.executable, "-c", code, str(home)], env=environment, check=True)
    found = {path.name: mode(path) for path in home.iterdir()}
    assert {"agent.log", "agent.lock", "agent.db", "agent.sock", "agent.sock.frames"} <= set(found)
    assert set(found.values()) == {0o600}
    assert mode(home) == 0o700
    eventually(lambda: not (home / "agent.sock").exists())
