"""`nilometer changes` and `nilometer rollback`: who changed which objects, and back again."""

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nilometer.commands.collector_options import add_collector_options
from nilometer.values.errors import ConfigError
from nilometer_collector.commands.apply import ANSWER_SECONDS
from nilometer_collector.commands.reason import add_reason_option, reason_asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nilometer_collector.api.resources.audit import AuditView
    from nilometer_collector.api.resources.declared_views import RevisionView

SHOWN = 200  # changes shown by default


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer changes`."""
    parser = subparsers.add_parser(
        "changes",
        help="list who changed which declared objects, and when",
        description="List the changes of declared objects, newest first: revision, time, author, "
        "how they arrived, and the fields. With --audit, list every change of anything instead: who, "
        "when, from which address, and what; and the tries of calls without the right, for "
        "administrators. Writes to standard output only.",
    )
    parser.add_argument(
        "--audit", action="store_true", help="list the audit log: all changes and refused requests"
    )
    parser.add_argument(
        "--refused", action="store_true", help="list only refused requests of the audit log"
    )
    parser.add_argument("--kind", help="list only objects of this kind")
    parser.add_argument("--entity", help="list only objects of this entity")
    parser.add_argument("--name", help="list only objects of this name")
    parser.add_argument(
        "--limit", type=int, default=SHOWN, help=f"largest number of changes; default {SHOWN}"
    )
    add_collector_options(parser)
    parser.set_defaults(run=run)


def add_rollback(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer rollback`."""
    parser = subparsers.add_parser(
        "rollback",
        help="make declared objects as they were after a revision",
        description="Make all declared objects, or a part of them, as they were after a revision, in one "
        "transaction. "
        "This is a new revision, so it can be rolled back, too. `nilometer changes` lists the "
        "revisions. The request goes to the collector; writes to standard output only.",
    )
    parser.add_argument(
        "revision", type=int, metavar="REVISION", help="number of the revision; 0 for none"
    )
    parser.add_argument("--kind", help="roll back only objects of this kind")
    parser.add_argument(
        "--entity", metavar="PATTERN", help="roll back only objects of these entities"
    )
    parser.add_argument("--name", metavar="PATTERN", help="roll back only objects of these names")
    parser.add_argument("--dry-run", action="store_true", help="print the changes, and make none")
    add_reason_option(parser)
    add_collector_options(parser)
    parser.set_defaults(run=roll_back)


def run(arguments: argparse.Namespace) -> int:
    """Print the changes, or the audit log."""
    from nilometer_collector.api.resources.declared import MOST_LISTED

    if not 1 <= arguments.limit <= MOST_LISTED:
        raise ConfigError(f"--limit = {arguments.limit}: must be 1 to {MOST_LISTED}")
    if arguments.audit or arguments.refused:
        return _print_audit(arguments)
    return print_changes(arguments)


def print_changes(arguments: argparse.Namespace) -> int:
    """Print the newest `limit` changes of the objects of a kind, entity and name; None is any."""
    from nilometer_collector.api.resources.declared_views import Changes
    from nilometer_collector.commands.collector_client import CollectorClient

    asked = {"kind": arguments.kind, "entity": arguments.entity, "name": arguments.name}
    parameters = {key: value for key, value in asked.items() if value is not None}
    parameters["limit"] = str(arguments.limit)
    found = CollectorClient.of(arguments).call(
        "GET", "/api/v1/changes", Changes, parameters=parameters
    )
    lines = [line for revision in found.revisions for line in _revision_lines(revision)]
    return _print_list("changes", lines, is_cut=found.next is not None)


def _revision_lines(revision: "RevisionView") -> "Iterator[str]":
    from nilometer_collector.commands.apply_report import change_lines, plain

    made = datetime.fromtimestamp(revision.made, UTC)
    yield (
        f"revision {revision.revision}, {made:%Y-%m-%d %H:%M:%S} UTC, by "
        f"{plain(revision.author)}, {revision.origin}"
        + (f": {plain(revision.reason)}" if revision.reason else "")
    )
    for change in revision.changes:
        for line in change_lines(change):
            yield f"  {line}"


def _print_list(what: str, lines: "Sequence[str]", *, is_cut: bool) -> int:
    """Print the *lines* of a list; say if there are none, or if older ones are left out."""
    for line in lines or [f"no {what}"]:
        print(line)
    if is_cut:
        print(f"older {what} exist: raise --limit")
    return 0


def _print_audit(arguments: argparse.Namespace) -> int:
    from nilometer_collector.api.resources.audit import AuditPage
    from nilometer_collector.commands.collector_client import CollectorClient

    if arguments.kind is not None or arguments.name is not None:
        raise ConfigError("--kind and --name: the audit log is listed by --entity only")
    parameters = {"limit": str(arguments.limit)}
    parameters |= {} if arguments.entity is None else {"entity": arguments.entity}
    parameters |= {"refused": "true"} if arguments.refused else {}
    found = CollectorClient.of(arguments).call(
        "GET", "/api/v1/audit", AuditPage, parameters=parameters
    )
    return _print_list("entries", [*map(_audit_line, found.entries)], is_cut=found.next is not None)


def _audit_line(one: "AuditView") -> str:
    from nilometer_collector.commands.apply_report import plain

    at = datetime.fromtimestamp(one.at, UTC)
    what = " ".join(plain(text) for text in (one.operation, one.entity, one.name) if text)
    who = plain(one.author or "an unknown token")
    by = f"{who} by {plain(one.principal)}" if one.author != one.principal else who
    status = f" ({one.status})" if one.status else ""
    times = f", {one.times} times" if one.times > 1 else ""
    return (
        f"{at:%Y-%m-%d %H:%M:%S} UTC, {by}, from {plain(one.address or 'gRPC')}: {what}: "
        f"{one.outcome}{status}{times}"
    )


def roll_back(arguments: argparse.Namespace) -> int:
    """Roll back, and print what it changes."""
    from nilometer_collector.api.resources.declared import Rollback
    from nilometer_collector.api.resources.declared_views import AppliedView
    from nilometer_collector.commands.apply_report import lines_of
    from nilometer_collector.commands.collector_client import CollectorClient

    if arguments.revision < 0:
        raise ConfigError(f"REVISION = {arguments.revision}: must be 0 or larger")
    applied = CollectorClient.of(arguments).call(
        "POST",
        "/api/v1/rollback",
        AppliedView,
        parameters=reason_asked(arguments) | ({"dry_run": "true"} if arguments.dry_run else {}),
        body=Rollback(
            revision=arguments.revision,
            kind=arguments.kind,
            entity=arguments.entity,
            name=arguments.name,
        ),
        seconds=ANSWER_SECONDS,
    )
    for line in lines_of(applied):
        print(line)
    return 0
