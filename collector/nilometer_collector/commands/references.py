"""`nilometer reference`: references of stored windows, and the versions of all references."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nilometer.commands.collector_options import (
    add_collector_options,
    add_expires_option,
    add_summary_option,
    add_time_options,
    expiry_of,
)
from nilometer.values.clock import NANOSECONDS, SystemClock, nanoseconds
from nilometer.values.errors import ConfigError
from nilometer.values.times import time_text

if TYPE_CHECKING:
    from nilometer_collector.api.resources.windows_reference import WindowsReferenceView

ANSWER_SECONDS = 600.0  # longest wait for a reference; months of windows may take minutes
DEFAULT_LAST = "7d"


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer reference`."""
    parser = subparsers.add_parser(
        "reference",
        help="make, list, compare and approve references",
        description="Make a reference of the windows that a collector stores, list and compare the "
        "versions of references, and make one of them current. Each request goes to the collector; "
        "writes to standard output only.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    _add_make(actions)
    _add_list(actions)
    _add_approve(actions)
    _add_compare(actions)


def _add_make(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "make",
        help="make a reference of stored windows",
        description="Merge the stored windows of an entity to a reference, and make it the current "
        "version of its name. Warns of columns that are too small to judge with. The request goes "
        "to the collector; writes to standard output only.",
    )
    parser.add_argument("name", metavar="NAME", help="name of the reference")
    parser.add_argument("--entity", required=True, help="name of the entity")
    add_time_options(parser, DEFAULT_LAST)
    add_summary_option(parser, "all features")
    parser.add_argument(
        "--label",
        dest="labels",
        action="append",
        default=[],
        metavar="KEY:VALUE",
        help="label that a label set must have; may be repeated",
    )
    parser.add_argument(
        "--propose",
        action="store_true",
        help="store a version that becomes current only when it is approved",
    )
    add_expires_option(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print the reference, and store nothing"
    )
    add_collector_options(parser)
    parser.set_defaults(run=_make)


def _add_list(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "list",
        help="list all versions of references",
        description="List the versions of references, the oldest of each name first. Agents get the "
        "current ones. Writes to standard output only.",
    )
    parser.add_argument("--entity", help="list only references of this entity")
    add_collector_options(parser)
    parser.set_defaults(run=_list)


def _add_approve(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "approve",
        help="make a version of a reference the current one",
        description="Make a version of a reference the current one: a proposal, or an earlier "
        "version to go back to. The request goes to the collector; writes to standard output only.",
    )
    parser.add_argument("name", metavar="NAME", help="name of the reference")
    parser.add_argument("digest", metavar="VERSION", help="version, as `reference list` prints it")
    parser.add_argument("--entity", required=True, help="name of the entity")
    add_expires_option(parser)
    add_collector_options(parser)
    parser.set_defaults(run=_approve)


def _add_compare(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "compare",
        help="compare two versions of references",
        description="Print the distance of each column of OTHER from the same column of REFERENCE. "
        "Each is the name of a current reference, or a version. Writes to standard output only.",
    )
    parser.add_argument("reference", metavar="REFERENCE", help="name or version")
    parser.add_argument("other", metavar="OTHER", help="name or version to compare with it")
    parser.add_argument("--entity", required=True, help="name of the entity")
    parser.add_argument(
        "--comparator",
        dest="comparators",
        action="append",
        default=[],
        metavar="NAME",
        help="distance to print; may be repeated; default psi and ks",
    )
    add_collector_options(parser)
    parser.set_defaults(run=_compare)


def _make(arguments: argparse.Namespace) -> int:
    from nilometer.commands.query import labels_of
    from nilometer_collector.api.resources.windows_reference import (
        WindowsReferenceDefinition,
        WindowsReferenceView,
    )
    from nilometer_collector.commands.collector_client import CollectorClient

    start, end = _time(arguments)
    definition = WindowsReferenceDefinition(
        entity=arguments.entity,
        name=arguments.name,
        end=end,
        seconds=end - start,
        current=not arguments.propose,
        expires=expiry_of(arguments.expires),
        summaries=arguments.summaries,
        labels={
            key: list(values) for key, values in labels_of("--label", arguments.labels).items()
        },
    )
    made = CollectorClient.of(arguments).call(
        "POST",
        "/api/v1/references",
        WindowsReferenceView,
        parameters={"dry_run": "true"} if arguments.dry_run else {},
        body=definition,
        seconds=ANSWER_SECONDS,
    )
    for line in _lines(made):
        print(line)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from nilometer_collector.api.resources.references import References
    from nilometer_collector.commands.apply_report import plain
    from nilometer_collector.commands.collector_client import CollectorClient

    parameters = {"versions": "true"}
    if arguments.entity:
        parameters["entity"] = arguments.entity
    found = CollectorClient.of(arguments).call(
        "GET", "/api/v1/references", References, parameters=parameters
    )
    for one in found.references:
        made = time_text(nanoseconds(one.created))
        print(
            f"{plain(one.name)} of {plain(one.entity)}, version {one.digest}, {made}: "
            f"{one.rows} rows, {plain(one.source)}{', current' if one.current else ''}"
            + ("" if one.expires is None else f", expires {time_text(nanoseconds(one.expires))}")
        )
    return 0


def _approve(arguments: argparse.Namespace) -> int:
    from nilometer_collector.api.resources.declared_views import AppliedView
    from nilometer_collector.commands.apply_report import lines_of
    from nilometer_collector.commands.collector_client import CollectorClient
    from nilometer_collector.declared.registered import FORMAT

    version = {
        "entity": arguments.entity,
        "name": arguments.name,
        "digest": arguments.digest,
        "expires": expiry_of(arguments.expires),
    }
    applied = CollectorClient.of(arguments).call(
        "POST", "/api/v1/apply", AppliedView, body={"version": FORMAT, "references": [version]}
    )
    for line in lines_of(applied):
        print(line)
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from nilometer_collector.api.resources.reference_comparison import ReferenceComparison
    from nilometer_collector.commands.apply_report import plain
    from nilometer_collector.commands.collector_client import CollectorClient

    parameters: dict[str, str | list[str]] = {
        "entity": arguments.entity,
        "reference": arguments.reference,
        "other": arguments.other,
        "comparator": arguments.comparators,
    }
    found = CollectorClient.of(arguments).call(
        "GET", "/api/v1/references/comparison", ReferenceComparison, parameters=parameters
    )
    for column in found.columns:
        distances = [
            one.why if one.value is None else f"{name} {one.value:.3g}"
            for name, one in column.distances.items()
        ]
        if not distances:
            side = found.reference if column.in_reference else found.other
            distances = [f"only in {plain(side.name)} {side.digest}"]
        print(f"{plain(column.summary)}: {', '.join(distances)}")
    return 0


def _time(arguments: argparse.Namespace) -> tuple[float, float]:
    """Return start and end in Unix seconds."""
    from nilometer.client.spans import Span

    clock = SystemClock()
    if arguments.start is None:
        if arguments.end is not None:
            raise ConfigError("--end needs --start")
        last = DEFAULT_LAST if arguments.last is None else arguments.last
    else:
        last = arguments.last
    span = Span.of(clock, last, arguments.start, arguments.end)
    start, now = max(span.start or 0.0, 0.0), clock.now_ns() / NANOSECONDS
    return start, now if span.end is None else span.end


def _lines(made: "WindowsReferenceView") -> Iterator[str]:
    """Yield the lines of the report."""
    from nilometer_collector.commands.apply_report import plain

    reference = made.reference
    yield (
        f"reference {plain(reference.name)} of {plain(reference.entity)}, version "
        f"{reference.digest}: {reference.rows} rows, {plain(reference.source)}"
    )
    for column in made.columns:
        yield f"  {plain(column.summary)}: {column.count} values"
    for warning in made.warnings:
        yield f"warning: {plain(warning)}"
    if made.dry_run:
        yield "dry run, nothing is stored"
    elif not reference.current:
        yield "not current: approve it with `nilometer reference approve`"
