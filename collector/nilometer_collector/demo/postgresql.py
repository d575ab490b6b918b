"""A PostgreSQL server for the demo and for tests: the machine's programs, a temporary directory.

PostgreSQL refuses to run as root. Root starts it as the account ``postgres``, or else as ``nobody``.
It listens on a Unix socket in its directory only.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import quote

from nilometer.values.errors import NilometerError

DEBIAN = "/usr/lib/postgresql/*/bin"  # not on PATH
USER = "postgres"  # superuser of the server
START_SECONDS = 60.0
# Nothing here outlives its process, so the server need not wait for the disk.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "autovacuum": "off",
    "max_wal_size": "256MB",
}


class PostgresqlFailed(NilometerError):
    """The server, or one of its programs, failed."""


def programs() -> Path | None:
    """Return the folder of the server's programs, of the newest version; None if it cannot run."""
    if not _setpriv():
        return None
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = [path.parent for path in Path("/").glob(f"{DEBIAN[1:]}/initdb")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


@dataclass
class Server:
    """A server that runs as another user if the tests run as root.

    Attributes:
        directory: Directory of the data and of the socket.
        settings: Settings of the server, besides its defaults.
    """

    directory: Path
    bin: Path
    settings: dict[str, str] = field(default_factory=lambda: dict(SETTINGS))
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def make(self) -> None:
        """Create the cluster."""
        self._run(
            "initdb", "-D", str(self.directory / "data"), "-U", USER, "-A", "trust",
            "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        settings = [f"--{name.replace('_', '-')}={value}" for name, value in self.settings.items()]
        data = str(self.directory / "data")
        # The kernel ends the server if this process is killed.
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    _setpriv(), "--pdeathsig", "INT", *_as_other(), str(self.bin / "postgres"),
                    "-D", data, "-k", str(self.directory), *settings,
                ],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresqlFailed((self.directory / "log").read_text())
            time.sleep(0.02)

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT for a fast stop, SIGQUIT for one without a checkpoint."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None

    def url(self, database: str, user: str = USER) -> str:
        """Return the URL of *database*."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.directory), safe='')}"

    def create_database(self, tablespace: str = "pg_default", copy_of: str = "") -> str:
        """Create a database in *tablespace* and return its URL.

        Args:
            tablespace: Tablespace of the database.
            copy_of: URL of the database to copy, to which nobody is connected; an empty database
                is created without it.
        """
        name = f"nilometer_{next(self._numbers)}"
        template = _name(copy_of) or "template0"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} TABLESPACE {tablespace}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop the database of *url* and end its connections."""
        self.run(f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")

    def run(self, statement: str, database: str = "postgres") -> str:
        """Run one statement as the superuser and return its output without a head."""
        return self._run("psql", "-qAtX", "-d", self.url(database), "-c", statement)

    def _accepts(self) -> bool:
        ready = [str(self.bin / "pg_isready"), "-q", "-h", str(self.directory)]
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self.bin / program), *arguments]
        if _as_other():
            command = [_setpriv(), *_as_other(), *command]
        ran = subprocess.run(
            command, cwd=self.directory, capture_output=True, text=True, check=False
        )
        if ran.returncode != 0:
            raise PostgresqlFailed(f"{program}: {ran.stderr}")
        return ran.stdout.strip()


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Run a server with the programs in *folder* inside the block."""
    directory = Path(tempfile.mkdtemp(prefix="nilometer-pg-"))  # a socket's path must be short
    server = Server(directory, folder)
    try:
        if os.geteuid() == 0:
            account = _account()
            os.chown(directory, account.pw_uid, account.pw_gid)
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _name(url: str) -> str:
    """Return the name of the database of *url*."""
    return url.partition("@/")[2].partition("?")[0]


def _setpriv() -> str:
    """Return the path of `setpriv` of util-linux; empty without it."""
    return shutil.which("setpriv") or ""


def _as_other() -> list[str]:
    """Return the options of `setpriv` for root, because the server refuses to run as root."""
    if os.geteuid() != 0:
        return []
    account = _account()
    return [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
