"""`nilometer ground-truth`: join a file of ground truth with logged predictions."""

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nilometer.commands.collector_options import add_collector_options, client_of
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nilometer.client.answers import TruthProgress
    from nilometer.client.client import Entity
    from nilometer.commands.truth_files import TruthFile

MOST_ROWS = 5000  # most rows in one request
ATTEMPTS = 6  # attempts of one request, after waits of 1, 2, 4, 8 and 16 seconds
PROGRESS_SECONDS = 1.0  # time between two progress lines
USED = ("joined", "repeated", "corrected", "waiting")  # outcomes of rows that are used

T = TypeVar("T")

_COLUMNS = (
    ("id", "id of the prediction"),
    ("row", "index of the row in its request"),
    ("subject", "subject of the prediction, if there is no id"),
    ("time", "time for which the true value holds, with --subject"),
    ("value", "true class, true number, or JSON list of relevances"),
    ("known", "time at which the true value became known"),
)


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer ground-truth`."""
    parser = subparsers.add_parser(
        "ground-truth",
        help="join a file of true values with logged predictions",
        description="Send a CSV, JSON lines or Parquet file of true values to a collector, which "
        "joins them with logged predictions (docs/ground-truth.md). The file is streamed. If the "
        "command ends early, the same command continues where it ended. Ends with 1 if rows were "
        "refused. Reads the file only.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="file with a row per prediction")
    parser.add_argument("--entity", required=True, help="monitored entity")
    for field, text in _COLUMNS:
        parser.add_argument(
            f"--{field}", metavar="COLUMN", default=field, help=f"column: {text}; default {field}"
        )
    parser.add_argument(
        "--format", choices=("csv", "jsonl", "parquet"), help="format; default by the file's name"
    )
    parser.add_argument(
        "--chunk",
        type=int,
        default=MOST_ROWS,
        metavar="ROWS",
        help=f"rows in one request, 1 to {MOST_ROWS}",
    )
    add_collector_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send the file, and print what became of its rows."""
    from nilometer.commands.truth_files import TruthFile

    if not 1 <= arguments.chunk <= MOST_ROWS:
        raise ConfigError(f"--chunk = {arguments.chunk}: must be 1 to {MOST_ROWS}")
    columns = {field: getattr(arguments, field) for field, _ in _COLUMNS}
    file = TruthFile.of(arguments.file, arguments.format, columns)
    with client_of(arguments) as client:
        sending = Sending(client.entity(arguments.entity), file)
        found = sending.send(arguments.chunk)
    refused = sum(rows for name, rows in found.items() if name not in USED)
    print(f"{arguments.file}: {sum(found.values())} rows")
    for name, rows in found.items():
        print(f"  {name.replace('_', ' '):<18} {rows}")
    return 1 if refused else 0


class Sending:
    """Sends a file from the place on up to which the collector has it.

    Args:
        entity: Entity at the collector.
        file: File to send.
        sleep: Function that waits for some seconds before another attempt.
    """

    def __init__(
        self, entity: "Entity", file: "TruthFile", sleep: "Callable[[float], None]" = time.sleep
    ) -> None:
        self._entity, self._file, self._sleep = entity, file, sleep
        self._source = file.source(entity.name)
        self._shown_at = time.monotonic() + PROGRESS_SECONDS

    def send(self, most_rows: int) -> "Mapping[str, int]":
        """Send all chunks; return the number of rows of the file by outcome."""
        size = self._file.size
        progress = self._progress()
        if progress.chunks:
            where = f"{progress.position / max(size, 1):.0%}"
            print(f"continues after chunk {progress.chunks}, at {where}", file=sys.stderr)
        while self._send_from(progress, most_rows, size):
            progress = self._progress()  # another run has sent chunks of this file, too
        return self._progress().counts

    def _send_from(self, progress: "TruthProgress", most_rows: int, size: int) -> bool:
        """Send the rest of the file; return whether it must be continued from another place."""
        number = progress.chunks
        sent = sum(progress.counts.values())
        for chunk in self._file.chunks(progress.position, most_rows):
            number += 1
            send = partial(
                self._entity.ground_truth,
                chunk.rows,
                source=self._source,
                chunk=number,
                position=chunk.position,
            )
            answer = self._repeated(send)
            if answer.repeated:
                return True
            sent += answer.rows
            self._show(sent, chunk.position / max(size, 1))
        return False

    def _progress(self) -> "TruthProgress":
        found = self._repeated(lambda: self._entity.ground_truth_status(self._source)).source
        if found is None:
            raise ConfigError("the collector does not tell the progress of a source: update it")
        return found

    def _repeated(self, ask: "Callable[[], T]") -> T:
        """Return the answer of *ask*, which is repeated if a later attempt may succeed."""
        from nilometer.client.errors import CollectorBusy, CollectorUnreachable

        wait = 1.0
        for _ in range(ATTEMPTS - 1):
            try:
                return ask()
            except (CollectorBusy, CollectorUnreachable) as error:
                print(f"{error}: tries again in {wait:.0f} s", file=sys.stderr)
                self._sleep(wait)
                wait *= 2
        return ask()

    def _show(self, rows: int, share: float) -> None:
        """Show the progress, at most once in `PROGRESS_SECONDS`."""
        now = time.monotonic()
        if now < self._shown_at:
            return
        self._shown_at = now + PROGRESS_SECONDS
        end = "\r" if sys.stderr.isatty() else "\n"
        print(f"{rows} rows, {min(share, 1):.1%}", end=end, file=sys.stderr, flush=True)
