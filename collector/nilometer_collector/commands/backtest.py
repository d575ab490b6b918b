"""`nilometer backtest`: replays alerters over the stored history."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nilometer.commands.credentials import add_credential_options
from nilometer.settings.collector_url import DEFAULT_URL
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    from nilometer_collector.api.resources.backtests import (
        BacktestDefinition,
        BacktestView,
        IncidentDefinition,
    )
    from nilometer_collector.commands.collector_client import CollectorClient

ANSWER_SECONDS = 1800.0  # longest wait for one entity; months of samples may take minutes


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer backtest`."""
    parser = subparsers.add_parser(
        "backtest",
        help="replay alerters on the stored history",
        description="Replay alerters over the history that a collector stores: when they would have "
        "opened an episode, for how long, and how many messages they send a month. Tests the alerters "
        "of a file, or else all current alerters, including the default alerter. Stores "
        "nothing. Writes to standard output only.",
    )
    parser.add_argument(
        "-f",
        "--file",
        type=Path,
        help="alerters, as in the collector's settings; YAML, TOML or JSON",
    )
    parser.add_argument(
        "--last", default="30d", metavar="TIME", help="length of the tested time; default 30d"
    )
    parser.add_argument("--until", metavar="TIME", help="end of the tested time; default now")
    parser.add_argument("--entity", help="test only the alerters of this entity")
    parser.add_argument(
        "--incident",
        action="append",
        default=[],
        metavar="START/END[:NAME]",
        help="time in which something was wrong, such as 2025-07-04T01:00Z/2025-07-04T03:00Z:deploy; "
        "may be repeated",
    )
    parser.add_argument(
        "--incidents",
        type=Path,
        metavar="FILE",
        help="file with incidents: start, end, name, entity",
    )
    parser.add_argument("--json", action="store_true", help="print the answers as JSON")
    parser.add_argument(
        "--collector",
        default=DEFAULT_URL,
        metavar="URL",
        help=f"URL of a running collector; default {DEFAULT_URL}",
    )
    add_credential_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the backtest, and print the report."""
    import msgspec

    from nilometer import kinds
    from nilometer_collector.commands.backtest_report import lines_of
    from nilometer_collector.commands.collector_client import CollectorClient

    kinds.load()
    definition = _definition(arguments)
    found = _answers(CollectorClient.of(arguments), definition)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return 0
    for line in lines_of(found):
        print(line)
    return 0


def _definition(arguments: argparse.Namespace) -> "BacktestDefinition":
    """Return the request body after checking all its values."""
    from msgspec import UNSET

    from nilometer.values.times import duration_of, time_of
    from nilometer_collector.api.resources.backtests import MOST_SECONDS, BacktestDefinition
    from nilometer_collector.commands.tested_files import alerters_in

    seconds = duration_of("--last", arguments.last)
    if not 300 <= seconds <= MOST_SECONDS:
        raise ConfigError(f"--last = {arguments.last!r}: must be 5m to {MOST_SECONDS // 86_400}d")
    file = alerters_in(arguments.file) if arguments.file else None
    alerters = None if file is None else list(file.alerters)
    if alerters and arguments.entity:
        alerters = [one for one in alerters if one.entity == arguments.entity]
        if not alerters:
            raise ConfigError(f"{arguments.file}: has no alerter of entity {arguments.entity!r}")
    return BacktestDefinition(
        alerters=alerters or UNSET,
        watch=UNSET if file is None or not file.watch else list(file.watch),
        entity=arguments.entity,
        end=None if arguments.until is None else time_of("--until", arguments.until),
        seconds=seconds,
        incidents=_incidents(arguments),
    )


def _incidents(arguments: argparse.Namespace) -> "list[IncidentDefinition]":
    from nilometer.values.times import interval_of, time_of
    from nilometer_collector.api.resources.backtests import MOST_INCIDENTS, IncidentDefinition
    from nilometer_collector.commands.tested_files import incidents_in, line_in

    found = []
    for text in arguments.incident:
        start, end, name = interval_of("--incident", text)
        found.append(IncidentDefinition(start=start, end=end, name=name))
    for at, one in enumerate(incidents_in(arguments.incidents) if arguments.incidents else ()):
        place = {key: line_in(arguments.incidents, at, key) for key in ("start", "end")}
        start = time_of(f"{place['start']}: incidents[{at}].start", one.start)
        end = time_of(f"{place['end']}: incidents[{at}].end", one.end)
        if end <= start:
            raise ConfigError(
                f"{place['end']}: incidents[{at}].end = {one.end}: must be after start"
            )
        name = one.name or str(one.start)
        found.append(IncidentDefinition(start=start, end=end, name=name, entity=one.entity))
    if len(found) > MOST_INCIDENTS:
        raise ConfigError(f"--incidents: {len(found)} incidents, the limit is {MOST_INCIDENTS}")
    return found


def _answers(client: "CollectorClient", definition: "BacktestDefinition") -> "BacktestView":
    """Ask the collector for one entity at a time, so that each answer is bounded."""
    import msgspec

    from nilometer_collector.api.resources.backtests import BacktestView

    if definition.alerters is not msgspec.UNSET and definition.watch is msgspec.UNSET:
        entities = sorted({one.entity for one in definition.alerters})
    elif definition.entity is not None:
        entities = [definition.entity]
    else:
        entities = _entities(client)
    answers = []
    for number, entity in enumerate(entities, start=1):
        if sys.stderr.isatty():
            print(f"testing {entity}, {number} of {len(entities)}", file=sys.stderr)
        body = _of_entity(definition, entity)
        answers.append(
            client.call(
                "POST", "/api/v1/backtests", BacktestView, body=body, seconds=ANSWER_SECONDS
            )
        )
    if not answers:
        end = definition.end or 0.0
        return BacktestView(start=max(end - definition.seconds, 0), end=end, alerters=[])
    found = [one for answer in answers for one in answer.alerters]
    found.sort(key=lambda one: (-one.messages_a_month, one.entity, one.alerter))
    return BacktestView(start=answers[0].start, end=answers[0].end, alerters=found)


def _entities(client: "CollectorClient") -> list[str]:
    """Return all entities that the caller may read, by name."""
    from nilometer_collector.api.resources.entities import Entities

    found: list[str] = []
    after: str | None = ""
    while after is not None:
        parameters = {"after": after} if after else {}
        page = client.call("GET", "/api/v1/entities", Entities, parameters=parameters)
        found += [one.name for one in page.entities]
        after = page.next
    return found


def _of_entity(definition: "BacktestDefinition", entity: str) -> "BacktestDefinition":
    import msgspec

    alerters = definition.alerters
    if alerters is not msgspec.UNSET:
        alerters = [one for one in alerters if one.entity == entity]
    own = [one for one in definition.incidents if one.entity in {None, entity}]
    with_data = (
        entity if alerters is msgspec.UNSET or definition.watch is not msgspec.UNSET else None
    )
    return msgspec.structs.replace(definition, alerters=alerters, entity=with_data, incidents=own)
