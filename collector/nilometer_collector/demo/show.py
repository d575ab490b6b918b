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
from typing import TypedDict

import httpx

from nilometer.batch.reference import reference_of
from nilometer.batch.reference_upload import put_reference
from nilometer.values.errors import ConfigError
from nilometer_collector.demo.model import fit, reference_table
from nilometer_collector.demo.names import ENTITY, REFERENCE
from nilometer_collector.demo.processes import DemoFailed, Processes
from nilometer_collector.demo.replay import BROKEN_FEATURE, Flight, flights_of, replay
from nilometer_collector.demo.slack import SlackStandIn

BROKEN_SUMMARY = f"input.{BROKEN_FEATURE}"
ALERTER = {
    "entity": ENTITY,
    "name": "drift",
    "summary": "*put.*",  # input.* and output.*
    "kind": "REFERENCE",
    "reference": REFERENCE,
    "comparator": "psi",
    "threshold": 0.25,  # nats, debiased; other features stay below 0.16 in these two weeks
    "minimum_count": 100,
    "windows_to_open": 2,  # days, so that one stormy day does not alert
    "windows_to_close": 2,
    "severity": "warning",
}


class Alert(TypedDict):
    """An episode that opened during the demo."""

    entity: str
    summary: str
    opened: str  # ISO 8601, UTC
    comparator: str
    value: float
    threshold: float


class Result(TypedDict):
    """Result of the demo: counts of requests, and alerts."""

    observed: int
    profiled: int
    stored: int
    dropped: dict[str, int]
    alerts: list[Alert]
    seconds: float


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
    processes = Processes(directory)
    slack = SlackStandIn()
    try:
        result, fine = _course(processes, slack, arguments)
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


def _course(
    processes: Processes, slack: SlackStandIn, arguments: argparse.Namespace
) -> tuple[Result, bool]:
    import pyarrow.parquet as pq

    started = time.monotonic()
    data = data_directory()
    train, recorded = (pq.read_table(data / f"{name}.parquet") for name in ("train", "replay"))
    _say(f"Training on {train.num_rows} flights of September and October 2013 ...")
    model = fit(train)
    model_file = processes.directory / "model.json"
    model.save(model_file)
    processes.start_collector(slack.url)
    reference = reference_of(
        reference_table(model, train),
        entity=ENTITY,
        name=REFERENCE,
        source="flights of September and October 2013",
        created_ns=time.time_ns(),
    )
    put_reference(reference, processes.grpc)
    answer = httpx.put(f"{processes.page}/api/v1/alerters", json=ALERTER, trust_env=False)
    answer.raise_for_status()
    processes.start_agent()
    processes.start_server(model_file, arguments.workers)
    _say(
        f"Collector, agent and a model server with {arguments.workers} workers are running: "
        f"{processes.page}"
    )
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
    result, fine = _result(processes, answered, time.monotonic() - started)
    _print_result(result, slack, break_from)
    return result, fine


def half_way(flights: list[Flight]) -> datetime:
    """Return the start of the middle day of the replay."""
    days = sorted({flight.departure.date() for flight in flights})
    middle = days[len(days) // 2]
    return datetime(middle.year, middle.month, middle.day, tzinfo=UTC)


def data_directory() -> Path:
    """Return the directory of the flights: in the installed package, or else in the checkout."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "data", package.parents[2] / "examples" / "flights" / "data"):
        if (candidate / "replay.parquet").is_file():
            return candidate
    raise DemoFailed("the data of the demo is missing from the package and from the checkout")


def _result(processes: Processes, observed: int, seconds: float) -> tuple[Result, bool]:
    """Read the result from the collector; return it, and whether it is as expected."""
    with httpx.Client(base_url=f"{processes.page}/api/v1", trust_env=False) as client:
        samples = client.get("/samples", params={"entity": ENTITY, "summary": "service"}).json()
        episodes = client.get("/episodes", params={"entity": ENTITY}).json()["episodes"]
    dropped: dict[str, int] = {}
    profiled = stored = 0
    for sample in samples["samples"]:
        coverage = sample["coverage"]
        profiled += coverage["profiled"]
        stored += coverage["seen"] - sum(coverage["dropped"].values())
        for reason, count in coverage["dropped"].items():
            dropped[reason] = dropped.get(reason, 0) + count
    alerts: list[Alert] = [
        {
            "entity": episode["entity"],
            "summary": episode["summary"],
            "opened": datetime.fromtimestamp(episode["opened"], tz=UTC).isoformat(),
            "comparator": episode["comparator"],
            "value": episode["value"],
            "threshold": episode["threshold"],
        }
        for episode in episodes
    ]
    result: Result = {
        "observed": observed,
        "profiled": profiled,
        "stored": stored,
        "dropped": dropped,
        "alerts": alerts,
        "seconds": round(seconds, 1),
    }
    balanced = observed == stored + sum(dropped.values())
    named = [alert["summary"] for alert in alerts] == [BROKEN_SUMMARY]
    return result, balanced and named


def _print_result(result: Result, slack: SlackStandIn, break_from: datetime) -> None:
    deadline = time.monotonic() + 5.0
    while not slack.messages and result["alerts"] and time.monotonic() < deadline:
        time.sleep(0.05)
    lost = sum(result["dropped"].values())
    _say(
        f"\n{result['observed']} requests observed = {result['stored']} stored + {lost} dropped, "
        f"in {result['seconds']} s."
    )
    if not result["alerts"]:
        _say("No alert was raised, although one feature was broken: this is an error.")
    for alert in result["alerts"]:
        is_expected = alert["summary"] == BROKEN_SUMMARY
        known = "the broken feature" if is_expected else "not broken: this is an error"
        _say(
            f"ALERT {alert['summary']} ({known}): {alert['comparator']} {alert['value']:.2f}, "
            f"threshold {alert['threshold']:g}, opened after the day that ended on "
            f"{alert['opened'][:10]}; the fault began on {break_from:%Y-%m-%d}."
        )
    for message in slack.messages:
        _say(f"\nThe message to Slack:\n  {message}")


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
    """Print a line to stderr, because stdout is for machines."""
    print(line, file=sys.stderr, flush=True)
