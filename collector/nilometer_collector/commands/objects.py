"""`nilometer get`, `describe` and `delete`: declared objects of a collector."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nilometer.commands.collector_options import add_collector_options
from nilometer.values.errors import ConfigError, NilometerError
from nilometer_collector.commands.reason import add_reason_option, reason_asked

if TYPE_CHECKING:
    from nilometer_collector.api.resources.declared_views import DeclaredObjectView
    from nilometer_collector.commands.collector_client import CollectorClient

_HEADINGS = ("kind", "entity", "name", "warnings")


def add_get(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer get`."""
    parser = subparsers.add_parser(
        "get",
        help="list declared objects",
        description="List the declared objects of a collector. As YAML, the list is a document that "
        "`nilometer apply` reads. Writes to standard output only.",
    )
    parser.add_argument(
        "kind",
        nargs="?",
        metavar="KIND",
        help="kind, such as alerter or set; default: all kinds but sets",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="name of the object")
    parser.add_argument("--entity", help="list only objects of this entity")
    parser.add_argument(
        "-o",
        "--output",
        choices=("table", "yaml", "json"),
        default="table",
        help="form of the list; default table",
    )
    add_collector_options(parser)
    parser.set_defaults(run=get)


def add_describe(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer describe`."""
    parser = subparsers.add_parser(
        "describe",
        help="show a declared object with its warnings and its changes",
        description="Show a declared object: its definition, the names in it that point nowhere, "
        "and who changed it, and when. Writes to standard output only.",
    )
    _add_one(parser)
    parser.set_defaults(run=describe)


def add_delete(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer delete`."""
    parser = subparsers.add_parser(
        "delete",
        help="remove a declared object",
        description="Remove a declared object. Its data stays, and `nilometer rollback` brings the "
        "object back. The request goes to the collector; writes to standard output only.",
    )
    _add_one(parser)
    add_reason_option(parser)
    parser.set_defaults(run=delete)


def _add_one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", help="kind of the object, such as alerter")
    parser.add_argument("name", metavar="NAME", help="name of the object")
    parser.add_argument("--entity", help="entity of the object; not needed for an entity")
    add_collector_options(parser)


def get(arguments: argparse.Namespace) -> int:
    """Print the objects."""
    import msgspec

    from nilometer_collector.commands.collector_client import CollectorClient
    from nilometer_collector.declared.sets import KIND as SET

    kind = _kind(arguments.kind) if arguments.kind else None
    found = _objects(CollectorClient.of(arguments), kind, arguments.name, arguments.entity)
    match arguments.output:
        case "yaml" if kind == SET:
            raise ConfigError(
                "--output = 'yaml': a set is no part of a document: use table or json"
            )
        case "yaml":
            sys.stdout.write(_yaml_of(document_of_objects(found)))
        case "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        case _:
            for line in [*_table(found), *_warnings(found)] if found else ():
                print(line)
            if not found:
                print("no such objects", file=sys.stderr)
    return 0


def describe(arguments: argparse.Namespace) -> int:
    """Print one object."""
    from nilometer_collector.commands import changes
    from nilometer_collector.commands.apply_report import plain, title
    from nilometer_collector.commands.collector_client import CollectorClient

    kind = _kind(arguments.kind)
    client = CollectorClient.of(arguments)
    found = _objects(client, kind, arguments.name, arguments.entity)
    if len(found) != 1:
        entities = ", ".join(plain(one.entity) for one in found)
        raise NilometerError(
            f"{kind} {arguments.name!r}: "
            + (
                f"several entities have one: add --entity ({entities})"
                if found
                else "there is none"
            )
        )
    (one,) = found
    print(title(one.kind, one.entity, one.name))
    definition = _yaml_of(dict(one.definition))
    for line in definition.splitlines():
        print(f"  {line}")
    for warning in one.warnings:
        print(f"warning: {plain(warning)}")
    arguments.kind, arguments.entity, arguments.limit = kind, one.entity, changes.SHOWN
    return changes.print_changes(arguments)


def delete(arguments: argparse.Namespace) -> int:
    """Remove the object."""
    from nilometer.client.errors import NotFound
    from nilometer_collector.commands.apply_report import plain, title
    from nilometer_collector.commands.collector_client import CollectorClient

    kind = _kind(arguments.kind)
    parameters = {"kind": kind, "name": arguments.name, **reason_asked(arguments)}
    if arguments.entity:
        parameters["entity"] = arguments.entity
    client = CollectorClient.of(arguments)
    try:
        client.send("DELETE", "/api/v1/objects", parameters=parameters)
    except NotFound as error:
        found = [] if arguments.entity else _objects(client, kind, arguments.name, None)
        if not found:
            raise
        entities = ", ".join(plain(one.entity) for one in found)
        raise NilometerError(f"{kind} {arguments.name!r}: add --entity ({entities})") from error
    print(f"{title(kind, arguments.entity or '', arguments.name)}: removed")
    return 0


def document_of_objects(objects: "Iterable[DeclaredObjectView]") -> dict[str, object]:
    """Return *objects* as a document that `nilometer apply` reads."""
    from nilometer_collector.declared.registered import FORMAT, kind_named

    lists: dict[str, list[object]] = {}
    for one in objects:
        lists.setdefault(kind_named(one.kind).plural, []).append(dict(one.definition))
    return {"version": FORMAT, **lists}


def _kind(word: str) -> str:
    from nilometer_collector.declared.kind import Misdeclared
    from nilometer_collector.declared.registered import kind_named

    try:
        return kind_named(word).name
    except Misdeclared as error:
        raise ConfigError(str(error)) from error


def _objects(
    client: "CollectorClient", kind: str | None, name: str | None, entity: str | None
) -> "list[DeclaredObjectView]":
    from nilometer_collector.api.resources.declared_views import Objects

    asked = {"kind": kind, "name": name, "entity": entity}
    parameters = {key: value for key, value in asked.items() if value is not None}
    return client.call("GET", "/api/v1/objects", Objects, parameters=parameters).objects


def _table(objects: "Sequence[DeclaredObjectView]") -> Iterable[str]:
    """Return the lines of a table of objects, with columns as wide as their content."""
    from nilometer_collector.commands.apply_report import plain

    rows = [_HEADINGS] + [
        (one.kind, plain(one.entity), plain(one.name), str(len(one.warnings) or "-"))
        for one in objects
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _warnings(objects: "Sequence[DeclaredObjectView]") -> Iterable[str]:
    """Return a line for each warning."""
    from nilometer_collector.commands.apply_report import plain, title

    for one in objects:
        for warning in one.warnings:
            yield f"warning: {title(one.kind, one.entity, one.name)}: {plain(warning)}"


def _yaml_of(value: dict[str, object]) -> str:
    """Return *value* as YAML; if a character would change a terminal, all but ASCII is escaped."""
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    if text.replace("\n", "").isprintable():
        return text
    return str(yaml.safe_dump(value, sort_keys=False))
