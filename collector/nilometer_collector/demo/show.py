"""Runs the demo step by step and prints its progress and result."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from nilometer.batch.reference import reference_of
from nilometer.batch.reference_upload import put_reference
from nilometer.values.errors import ConfigError
from nilometer_collector.declared.registered import kind_named
from nilometer_collector.demo.history import log_flights
from nilometer_collector.demo.judged import log_learned
from nilometer_collector.demo.model import fit, requests_table
from nilometer_collector.demo.names import ENTITY, REFERENCE
from nilometer_collector.demo.outcome import Result, read_outcome
from nilometer_collector.demo.postgresql import programs, running_server
from nilometer_collector.demo.processes import DemoFailed, Processes, declare
from nilometer_collector.demo.replay import BROKEN_FEATURE, Flight, flights_of, replay
from nilometer_collector.demo.slack import SlackStandIn


def show(arguments: argparse.Namespace) -> int:
    """Run the demo and return the exit code."""
    if arguments.workers < 1:
        raise ConfigError(f"--workers = {arguments.workers}: must be at least 1")
    if arguments.directory:
        return _in(arguments.directory, arguments)
    if arguments.keep:
        return _in(Path(tempfile.mkdtemp(prefix="nilometer-demo-")), arguments)
    with tempfile.TemporaryDirectory(prefix="nilometer-demo-") as directory:
        return _in(Path(directory), arguments)


def _in(directory: Path, arguments: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    with _store(arguments.store) as store:
        return _with_store(store, directory, arguments)


def _with_store(store: str, directory: Path, arguments: argparse.Namespace) -> int:
    processes = Processes(directory)
    slack = SlackStandIn()
    try:
        result, fine = _course(processes, slack, arguments.workers, store)
        if arguments.json:
            print(json.dumps(result), flush=True)
        if arguments.keep:
            _say(f"\nOpen {processes.page} in a browser. Everything runs until you press Ctrl-C.")
            while True:
                time.sleep(1)
    except KeyboardInterrupt:
        _say("\nStopping all processes.")
        return 130 if not arguments.keep else 0
    finally:
        processes.stop()
        slack.stop()
    return 0 if fine else 1


@contextmanager
def _store(asked: str) -> Iterator[str]:
    """Yield the URL of the collector's database; empty for a SQLite file."""
    if asked != "postgresql":
        yield asked
        return
    folder = programs()
    if folder is None:
        raise ConfigError(
            "--store = postgresql: there is no PostgreSQL server (initdb) or no setpriv on this "
            "machine: install the packages postgresql and util-linux, or give the URL of a database"
        )
    with running_server(folder) as server:
        yield server.create_database()


def _course(
    processes: Processes, slack: SlackStandIn, workers: int, store: str
) -> tuple[Result, bool]:
    """Run everything; return the result, and whether it is as expected."""
    import pyarrow.parquet as pq

    started = time.monotonic()
    data = flights_directory("data")
    train, recorded = (pq.read_table(data / f"{name}.parquet") for name in ("train", "replay"))
    _say(f"Training on {train.num_rows} flights of September and October 2013 ...")
    model = fit(train)
    model_file = processes.directory / "model.json"
    model.save(model_file)
    processes.start_collector(store)
    declared = declare(processes.page, flights_directory("apply"), slack.url)
    counts = ", ".join(
        f"{count} {kind_named(kind).name if count == 1 else kind}"
        for kind, count in declared.items()
    )
    _say(f"Declared, as `nilometer apply -f examples/flights/apply` does: {counts}.")
    reference = reference_of(
        requests_table(model, train),
        entity=ENTITY,
        name=REFERENCE,
        source="flights of September and October 2013",
        created_ns=time.time_ns(),
    )
    put_reference(reference, processes.grpc)
    log_learned(model, train, processes.grpc)
    past = log_flights(model, train, processes.directory / "history.parquet", processes.grpc)
    _say(f"Logged the same flights as {past.windows} past windows, which the alerter learns from.")
    processes.start_agent()
    processes.start_server(model_file, workers)
    _say(f"Collector, agent and a model server with {workers} workers run: {processes.page}")
    flights = list(flights_of(recorded))
    break_from = half_way(flights)
    _say(
        f"Replaying {len(flights)} flights over HTTP; from {break_from:%d %B} on, "
        f"{BROKEN_FEATURE} is in kilometres instead of miles ..."
    )
    with _progress(len(flights)) as on_progress:
        url = f"{processes.model_url}/predict"
        answered = asyncio.run(replay(url, flights, break_from, on_progress))
    if answered != len(flights):
        raise DemoFailed(f"{len(flights) - answered} requests failed")
    processes.settle(answered)
    processes.wait_until_judged(flights[-1].departure)
    outcome = read_outcome(processes.page, flights, break_from, slack, started)
    for line in outcome.sentences(break_from):
        _say(line)
    return outcome.result, not any(outcome.errors(break_from))


def half_way(flights: list[Flight]) -> datetime:
    """Return the start of the middle day of the replay."""
    days = sorted({flight.departure.date() for flight in flights})
    middle = days[len(days) // 2]
    return datetime(middle.year, middle.month, middle.day, tzinfo=UTC)


def flights_directory(name: str) -> Path:
    """Return a directory of the flights: in the installed package, or else in the checkout.

    Args:
        name: ``data``, or ``apply`` for the declared objects.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / name, package.parents[2] / "examples" / "flights" / name):
        if candidate.is_dir():
            return candidate
    raise DemoFailed(
        f"the directory {name} of the demo is missing from the package and the checkout"
    )


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int, datetime], None]]:
    """Show a progress bar on a terminal; elsewhere, print one line for each day."""
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def line(_: int, day: datetime) -> None:
            name = f"{day:%Y-%m-%d}"
            if name not in seen:
                seen.add(name)
                _say(f"  {name}")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)

        def bar(count: int, day: datetime) -> None:
            progress.update(task, advance=count, description=f"{day:%Y-%m-%d}")

        yield bar


def _interrupt(*_: object) -> None:
    """Treat SIGTERM like Ctrl-C, so that all processes are stopped."""
    raise KeyboardInterrupt


def _say(line: str) -> None:
    """Print a line to stderr, because stdout is for machine-readable output."""
    print(line, file=sys.stderr, flush=True)
