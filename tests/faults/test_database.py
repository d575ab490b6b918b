"""PostgreSQL restarts, crashes, only reads, has no space or a deadlock while agents ship.

Every fault begins and ends under the load of several agents on three collectors. Afterwards nothing
may be lost, doubled or stored in part, and every agent must be acknowledged within five seconds.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psycopg
from faults.test_collectors import AGENTS, COLLECTORS, Agent, Collectors, judged, pager
from faults.test_full import small_disk
from faults.zygote import Zygote
from psycopg import errors
from support.stores import PostgresqlPlace

from nilometer.testing import eventually
from nilometer_collector.demo.postgresql import PostgresqlFailed, Server
from nilometer_collector.testing import listening_webhook

TABLESPACE_BYTES = 64 << 20
LOG_BYTES = 128 << 20
MOST_SEGMENTS = 40  # more than fit on that disk
LOG_KEPT = "32MB"  # segments of the log that the server keeps for reuse: two
RESUMED_SECONDS = 5.0
ROWS_BETWEEN = 40  # acknowledged rows before the next fault
FAILED_CALLS = 4  # failed calls that show that a fault is felt
DEADLOCKS = 3
# A verdict waits for the backlog of notifications, one a second. Agents that are silent for ten minutes
# in the meantime count as gone, which closes their episodes.
ROUNDS_A_VERDICT = 4
MOST_TRIES = 200  # attempts to make these deadlocks
# A shipment locks its stream, then the count of its arrivals; a client that takes them the other way
# round waits for it, and it waits for the client.
_BACKWARDS = ("SELECT * FROM arrivals FOR UPDATE", "SELECT * FROM streams FOR UPDATE")


@dataclass
class Rig:
    """What a fault may touch: the server, its database, the disks of its tables and log, the agents."""

    server: Server
    place: PostgresqlPlace
    disk: Path
    log: Path
    agents: list[Agent]

    @property
    def name(self) -> str:
        """Name of the database."""
        return self.place.url.partition("@/")[2].partition("?")[0]

    def wait_for_failures(self) -> None:
        """Wait until calls of agents failed because of the fault."""
        before = self.failures
        eventually(lambda: self.failures >= before + FAILED_CALLS, 60)

    @property
    def failures(self) -> int:
        """Number of calls that were repeated."""
        return sum(agent.repeats for agent in self.agents)

    def end_connections(self) -> None:
        """Let the server end all connections to the database."""
        self.server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{self.name}' AND pid <> pg_backend_pid()"
        )


def restarted(rig: Rig) -> None:
    """The server is stopped and started."""
    rig.server.stop(signal.SIGINT)
    rig.wait_for_failures()
    rig.server.start()


def crashed(rig: Rig) -> None:
    """The server ends without a checkpoint, and recovers."""
    rig.server.stop(signal.SIGQUIT)
    rig.wait_for_failures()
    rig.server.start()


def cut_off(rig: Rig) -> None:
    """The server ends all connections, several times."""
    for _ in range(5):
        rig.end_connections()


def only_reading(rig: Rig) -> None:
    """The server accepts no changes for a while, like a standby after a failover."""
    rig.server.run(f"ALTER DATABASE {rig.name} SET default_transaction_read_only = on")
    rig.end_connections()
    rig.wait_for_failures()
    rig.server.run(f"ALTER DATABASE {rig.name} RESET default_transaction_read_only")


def out_of_space(rig: Rig) -> None:
    """Another program fills the disk of the tables, and removes its file again."""
    with _full(rig.disk):
        rig.wait_for_failures()


def out_of_space_for_its_log(rig: Rig) -> None:
    """Another program fills the disk of the log of changes, so the server ends; it is started again."""
    with _full(rig.log):
        with suppress(PostgresqlFailed):
            for _ in range(MOST_SEGMENTS):
                rig.server.run("SELECT pg_switch_wal()")
                time.sleep(0.05)  # a segment without changes is not switched
            raise AssertionError("the log found space on a full disk: this showed nothing")
        rig.wait_for_failures()
    rig.server.stop(signal.SIGQUIT)
    rig.server.start()


@contextmanager
def _full(disk: Path) -> Iterator[None]:
    """Fill *disk* until the block ends."""
    filling = disk / "neighbour"
    with filling.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 12))
    yield
    filling.unlink()


def deadlocked(rig: Rig) -> None:
    """Another client locks rows in the other order, until the server has ended some transactions.

    The server ends the transaction that looks for a deadlock first. This client would look after a
    minute, so those of the collectors are ended.
    """
    first, own = _deadlocks(rig), 0
    with psycopg.connect(rig.place.url) as connection:
        connection.execute("SET deadlock_timeout = '1min'")
        connection.execute("SET lock_timeout = '10s'")
        connection.commit()
        for _ in range(MOST_TRIES):
            try:
                for statement in _BACKWARDS:
                    connection.execute(statement)
            except errors.DeadlockDetected:
                own += 1
            except errors.LockNotAvailable:
                pass
            connection.rollback()
            if _deadlocks(rig) - first - own >= DEADLOCKS:
                return
    raise AssertionError("no collector met a deadlock: this showed nothing")


def _deadlocks(rig: Rig) -> int:
    counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ((found,),) = rig.place.change(postgresql=counted)
    return int(str(found))


FAULTS: tuple[Callable[[Rig], None], ...] = (
    restarted,
    crashed,
    cut_off,
    only_reading,
    out_of_space,
    out_of_space_for_its_log,
    deadlocked,
)


def outages(zygote: Zygote, directory: Path, server: Server, *, seed: int, rounds: int) -> str:
    """Cause each fault in each of *rounds*; return what was seen.

    After each `ROUNDS_A_VERDICT` rounds, all is judged, a line says so, and an empty database follows.
    """
    longest: dict[str, float] = {}
    done, seen, times = 0, "", ""
    with _small_log(server) as log, _tablespace(server) as disk:
        while done < rounds:
            more = min(ROUNDS_A_VERDICT, rounds - done)
            files = directory / f"outages-{done}"
            files.mkdir()
            disks = Disks(server, disk, log)
            seen = _judged_outages(zygote, files, disks, seed + done, more, longest)
            done += more
            times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in longest.items())
            print(
                f"holds so far: {done} of each fault; the last {more}: {seen}; {times}", flush=True
            )
    slow = {name: seconds for name, seconds in longest.items() if seconds > RESUMED_SECONDS}
    assert not slow, f"resumed after more than {RESUMED_SECONDS:g} s: {slow}"
    return f"{done} of each fault, the last with {seen}; longest time to resume: {times}"


class Disks(NamedTuple):
    """A server, and the small disks of its tables and of its log."""

    server: Server
    tables: Path
    log: Path


def _judged_outages(
    zygote: Zygote,
    directory: Path,
    disks: Disks,
    seed: int,
    rounds: int,
    longest: dict[str, float],
) -> str:
    """Cause each fault in each of *rounds* on one database, and judge it.

    Args:
        zygote: Process that starts collectors.
        directory: Directory of their files.
        disks: Server of the database, and its disks.
        seed: Seed of the agents.
        rounds: Number of rounds.
        longest: Longest time to resume by fault, seconds; this adds to it.
    """
    server = disks.server
    with listening_webhook() as webhook:
        place = PostgresqlPlace(server, server.create_database("small"))
        told: dict[str, object] = {
            "store": place.url,
            "channels": [pager(webhook)],
            "webhook_allow": ["127.0.0.1"],
        }
        collectors = Collectors(zygote, directory, told)
        try:
            for _ in range(COLLECTORS):
                collectors.start()
            agents = [Agent(number, seed, collectors) for number in range(AGENTS)]
            rig = Rig(server, place, disks.tables, disks.log, agents)
            for agent in agents:
                agent.start()
            for _ in range(rounds):
                for fault in FAULTS:
                    _wait_for(agents, ROWS_BETWEEN)
                    fault(rig)
                    seconds = _wait_for(agents, 1)
                    longest[fault.__name__] = max(seconds, longest.get(fault.__name__, 0.0))
            for agent in agents:
                agent.ending.set()
            for agent in agents:
                agent.join(120)
                assert not agent.is_alive()
            found = judged(place, agents, webhook, rounds * len(FAULTS) * COLLECTORS)
            _check_sums(place)
            return found
        finally:
            collectors.kill_all()
            place.close()


@contextmanager
def _tablespace(server: Server) -> Iterator[Path]:
    """A small disk for the tables. The server's log of changes is on another one."""
    with small_disk(server.directory / "disk", TABLESPACE_BYTES) as disk:
        owner = server.directory.stat()
        tables = disk / "tables"
        tables.mkdir()
        os.chown(tables, owner.st_uid, owner.st_gid)
        server.run(f"CREATE TABLESPACE small LOCATION '{tables}'")
        try:
            yield disk
        finally:
            server.run("DROP TABLESPACE small")


@contextmanager
def _small_log(server: Server) -> Iterator[Path]:
    """A small disk for the server's log of changes, which is moved there and back."""
    kept, before = server.directory / "data" / "pg_wal", dict(server.settings)
    with small_disk(server.directory / "log_disk", LOG_BYTES) as disk:
        moved = disk / "pg_wal"
        server.stop()
        shutil.move(kept, moved)
        owner = server.directory.stat()
        for path in (moved, *moved.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        kept.symlink_to(moved)
        server.settings |= {"min_wal_size": LOG_KEPT, "max_wal_size": "64MB"}
        server.start()
        try:
            yield disk
        finally:
            server.stop()
            kept.unlink()
            shutil.move(moved, kept)
            for path in (kept, *kept.rglob("*")):
                os.chown(path, owner.st_uid, owner.st_gid)
            server.settings = before
            server.start()


def _wait_for(agents: list[Agent], rows: int) -> float:
    """Wait until each agent was acknowledged *rows* more rows; return the seconds that it took."""
    started = time.monotonic()
    wanted = [agent.acknowledged + rows for agent in agents]

    def is_there() -> bool:
        alive = all(agent.is_alive() for agent in agents)
        assert alive, "an agent ended: a call was refused for good"
        return all(one.acknowledged >= most for one, most in zip(agents, wanted, strict=True))

    eventually(is_there, 120)
    return time.monotonic() - started


def _check_sums(place: PostgresqlPlace) -> None:
    """Check that all tables that a shipment changes tell of the same samples."""
    found = [
        int(str(place.change(postgresql=statement)[0][0]))
        for statement in (
            "SELECT count(*) FROM samples",
            "SELECT sum(rows)::bigint FROM arrivals",
            "SELECT sum(samples)::bigint FROM series_now",
        )
    ]
    assert len(set(found)) == 1, f"stored in part: {found}"


def test_a_database_that_fails_in_mid_ingest_loses_nothing_and_is_used_again(
    zygote: Zygote, tmp_path: Path, postgresql: Server
) -> None:
    print(outages(zygote, tmp_path, postgresql, seed=1, rounds=1))
