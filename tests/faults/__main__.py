"""`make faults`: the long forms, each with its goal, its seed and its verdict in a table.

Each form raises where its goal is not met, and where the hard paths did not run: a run without a
replay, a drop or a recovery shows nothing. ``--seed`` runs one again, names run some. ``KILLS=500``
kills collectors that often, even if it takes longer than twenty minutes.
"""

import argparse
import math
import os
import secrets
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults import (
    test_acting,
    test_bodies,
    test_collectors,
    test_damage,
    test_database,
    test_deliveries,
    test_errno,
    test_full,
    test_held,
    test_held_agent,
    test_migrations,
    test_outage,
    test_poison,
    test_power,
    test_products,
    test_soak,
    test_storm,
    test_truths,
)
from faults.products import CASES
from faults.zygote import Zygote
from support.stores import PostgresqlPlace, SqlitePlace

from nilometer_collector.demo.postgresql import programs, running_server

KILLS = "KILLS"  # environment variable: number of kills of collectors, however long they take
MOST_SECONDS = 1200.0  # time for these kills without it


@dataclass(frozen=True, slots=True)
class Form:
    """One row of the table.

    Attributes:
        goal: What the run raises about where it is not met.
        run: Returns what was seen, given processes, a directory, a seed and a scale from 0 to 1.
    """

    goal: str
    run: Callable[[Zygote, Path, int, float], str]


def power(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    return test_power.power_loss(zygote, directory, seed=seed, points=int(1000 * scale))


def errno(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    return test_errno.refusals(zygote, directory, seed=seed, runs=int(2000 * scale))


def kernel(_: Zygote, directory: Path, seed: int, scale: float) -> str:
    return test_errno.every_kth(directory, seed=seed, runs=int(210 * scale))


def full(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    del scale
    return test_full.full_disks(zygote, directory, seed=seed)


def damage(_: Zygote, directory: Path, seed: int, scale: float) -> str:
    return test_damage.mutations(directory / "m", seed=seed, count=int(1000 * scale))


def away(_: Zygote, directory: Path, seed: int, scale: float) -> str:
    del scale
    return test_outage.away(directory, seed=seed, hours=test_outage.HOURS)


def restart(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    del seed, scale
    return test_outage.restart(zygote, directory, rows=100_000)


def herd(_: Zygote, directory: Path, seed: int, scale: float) -> str:
    del directory
    return test_outage.herds(seed=seed, outages=max(int(200 * scale), 20))


def soak(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    del seed
    return test_soak.soak(zygote, directory, observations=int(10_000_000 * scale))


def holding(_: Zygote, directory: Path, seed: int, scale: float) -> str:
    del seed, scale
    collector = test_held.matrix(directory / "collector")
    return f"longest waits: {collector}; agent: {test_held_agent.matrix(directory / 'agent')}"


def poison(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    return test_poison.poison(zygote, directory, seed=seed, kills=int(500 * scale))


def products(_: Zygote, directory: Path, seed: int, scale: float) -> str:
    names = list(CASES)[: max(int(len(CASES) * scale), 1)]
    seen = test_products.products(directory, seed=seed, names=names)
    return f"{seen}; {test_products.host(directory, seed=seed, names=names)}"


def bodies(_: Zygote, directory: Path, seed: int, scale: float) -> str:
    del directory
    return test_bodies.at_each_byte(seed=seed, scale=scale)


def kills(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    count = int(5000 * scale)
    return test_storm.storm(zygote, directory, seed=seed, seconds=0.0, faults=0, kills=count)


def collectors(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    folder = programs()
    if folder is None:
        pytest.skip("there is no PostgreSQL server (initdb), or no setpriv, on this machine")
    asked = os.environ.get(KILLS)
    with running_server(folder) as server:
        return test_collectors.kills(
            zygote,
            directory,
            server,
            seed=seed,
            count=int(asked) if asked else max(int(500 * scale), 1),
            most_seconds=math.inf if asked else MOST_SECONDS,
        )


def database(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    folder = programs()
    if folder is None:
        pytest.skip("there is no PostgreSQL server (initdb), or no setpriv, on this machine")
    rounds = max(int(20 * scale), 1)
    with running_server(folder) as server:
        return test_database.outages(zygote, directory, server, seed=seed, rounds=rounds)


def deliveries(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    return _on_both(zygote, directory, seed, scale, test_deliveries.Killing)


def acting(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    return _on_both(zygote, directory, seed, scale, test_acting.Acting)


def _on_both(
    zygote: Zygote, directory: Path, seed: int, scale: float, killing: type[test_deliveries.Killing]
) -> str:
    """Kill a collector on SQLite and three on PostgreSQL, each store 1,000 times."""
    kills = max(int(1000 * scale), 1)
    place = SqlitePlace(directory / "s" / "c.db")
    seen = test_deliveries.kills(
        zygote, directory / "d", place, seed=seed, count=kills, killing=killing
    )
    seen = f"SQLite: {seen}"
    folder = programs()
    if folder is None:
        return f"{seen}; PostgreSQL: skipped, there is no server (initdb) or no setpriv here"
    with running_server(folder) as server:
        shared = PostgresqlPlace(server, server.create_database())
        found = test_deliveries.kills(
            zygote, directory / "e", shared, seed=seed, count=kills, collectors=3, killing=killing
        )
    return f"{seen}; PostgreSQL: {found}"


def migrations(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    del seed
    stride = max(int(1 / scale), 1)
    kills = test_migrations.sqlite_kills(zygote, directory, stride=stride)
    seen = f"SQLite: {kills} kills"
    folder = programs()
    if folder is None:
        return f"{seen}; PostgreSQL: skipped, there is no server (initdb) or no setpriv here"
    with running_server(folder) as server:
        kills = test_migrations.postgresql_kills(zygote, server, stride=stride)
    return f"{seen}; PostgreSQL: {kills} kills"


def labels(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    count = max(int(500 * scale), 1)
    file = SqlitePlace(directory / "labels" / "collector.db")
    seen = test_truths.kills(zygote, str(file.path), file.open, seed=seed, count=count)
    folder = programs()
    if folder is None:
        return (
            f"SQLite: {seen}; PostgreSQL: skipped, there is no server (initdb) or no setpriv here"
        )
    with running_server(folder) as server:
        place = PostgresqlPlace(server, server.create_database())
        more = test_truths.kills(zygote, place.url, place.open, seed=seed, count=count)
        place.close()
    return f"SQLite: {seen}; PostgreSQL: {more}"


def chaos(zygote: Zygote, directory: Path, seed: int, scale: float) -> str:
    seconds, count = 3600 * scale, int(3000 * scale)
    return test_storm.storm(zygote, directory, seed=seed, seconds=seconds, faults=count, kills=0)


FORMS: dict[str, Form] = {
    "power": Form("1,000 power losses: 0 acknowledged lost, 0 doubled", power),
    "errno": Form("2,000 refusing disks: all losses counted, outbox returned to disk", errno),
    "kernel": Form(
        "210 disks that refuse every k-th call: all losses counted, outbox returned to disk", kernel
    ),
    "full": Form("full disks, ours or a neighbour's: all drops counted, drained to 0", full),
    "damage": Form("1,000 mutations: 0 wrong rows, 99 % of undamaged rows saved", damage),
    "away": Form("72 h away in 256 MiB, restarts: 0 lost, drained 10 x as fast as it comes", away),
    "restart": Form("100,000 rows queued: ready in 2 s", restart),
    "herd": Form("1,000 agents come back: peak 2 x mean at most, 19 times in 20", herd),
    "soak": Form(
        "10 M observations: 0.5 MiB a million at most; agent 150 MiB, host +32 MiB at most", soak
    ),
    "held": Form(
        "10,000 peers that hold a collector or an agent: all others served in 2 s", holding
    ),
    "poison": Form("6 ways to end an agent: 1 dropped, 0 beside it, 3 ends; 500 kills: 0", poison),
    "products": Form(
        "27 products of two things a client chooses: agent 150 MiB at most, host +64 MiB", products
    ),
    "bodies": Form(
        "104 real exchanges cut at each byte, declared wrongly: the bare answer, 1 reason at most",
        bodies,
    ),
    "kills": Form("5,000 kill -9: 0 lost, 0 doubled, 0 invented", kills),
    "collectors": Form(
        "500 kill -9 of one of 3 collectors, or 20 min (KILLS=500: all): 0 lost, 0 doubled, no "
        "notification twice under two keys",
        collectors,
    ),
    "database": Form(
        "20 times each: PostgreSQL restarts, crashes, only reads, is out of space, has deadlocks: 0 "
        "lost, 0 doubled, nothing in part, used again within 5 s",
        database,
    ),
    "deliveries": Form(
        "2,000 kill -9 between a change of state and its delivery: 1 message a receiver, and twice "
        "only with its key after a lost 2xx",
        deliveries,
    ),
    "acting": Form(
        "2,000 kill -9 between an episode and the order of its action: 1 key a decision, and twice only "
        "after a lost 2xx",
        acting,
    ),
    "migrations": Form(
        "kill -9 at each statement of the last two migrations: the next start finishes them",
        migrations,
    ),
    "labels": Form("1,000 kill -9 of joins of ground truth: every label counted once", labels),
    "chaos": Form("1 h, 3,000 faults at least: 0 lost, 0 doubled, 0 invented", chaos),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A form that was run."""

    name: str
    goal: str
    seed: int
    seconds: float
    verdict: str
    seen: str

    def __str__(self) -> str:
        cells = (self.name, self.goal, str(self.seed), f"{self.seconds:.0f} s", self.verdict)
        return f"| {' | '.join((*cells, self.seen))} |"


def run(name: str, seed: int, scale: float) -> Row:
    """Run a form in a directory of its own."""
    form = FORMS[name]
    goal = form.goal if scale == 1.0 else f"{form.goal} (x {scale:g})"
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nf") as made:
        directory = Path(made) / "d"  # short: the path of a socket is
        directory.mkdir()
        try:
            with Zygote(Path(made) / "z") as zygote:
                seen, verdict = form.run(zygote, directory, seed, scale), "holds"
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            verdict, seen = "FAILED", " ".join(repr(error).split())
            if type(error).__name__ == "Skipped":  # pytest's own is no Exception
                verdict, seen = "skipped", str(error)
            else:
                traceback.print_exc()
    return Row(name, goal, seed, time.monotonic() - started, verdict, seen)


def main() -> int:
    """Run what is named, or all; 1 where a goal was not met."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*FORMS, []], help="default: all")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31))
    parser.add_argument("--scale", type=float, default=1.0, help="of the long form, such as 0.1")
    told = parser.parse_args()
    rows = []
    for name in told.names or FORMS:
        rows.append(run(name, told.seed, told.scale))
        print(rows[-1], flush=True)
    print("\n| form | goal | seed | time | verdict | what was seen |\n|---|---|---|---|---|---|")
    print(*rows, sep="\n")
    return int(any(row.verdict == "FAILED" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
