"""`nilometer canary`: the verdict of a collector on a candidate."""

import argparse
from typing import TYPE_CHECKING

from nilometer.commands.credentials import add_credential_options
from nilometer.settings.collector_url import DEFAULT_URL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nilometer_collector.api.resources.canary import CanaryView

EXIT_CODES = {"pass": 0, "fail": 1, "hold": 3}
ANSWER_SECONDS = 120.0

_OPTIONS = (
    ("--candidate-entity", "candidate_entity", "entity of the candidate; default --entity"),
    ("--newest", "newest", "label whose newest value is the candidate; default version"),
    ("--summary", "summary", "pattern of summaries to compare, such as input.*"),
    ("--windows", "windows", "fewest windows of five minutes for a pass; default 4"),
)


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer canary`."""
    parser = subparsers.add_parser(
        "canary",
        help="compare a candidate with the stable version",
        description="Compare a candidate with the stable side over the same windows, from the "
        "candidate's first window on. Ends with 0 for pass, 1 for fail and 3 for hold. Stores nothing. "
        "Writes to standard output only.",
    )
    parser.add_argument("--entity", required=True, help="entity of the stable side")
    for flag, text in (
        ("--candidate", "label of the candidate"),
        ("--stable", "label of the stable side"),
    ):
        parser.add_argument(
            flag, action="append", default=[], metavar="KEY:VALUE", help=f"{text}; may be repeated"
        )
    for flag, name, text in _OPTIONS:
        parser.add_argument(flag, dest=name, help=text)
    parser.add_argument("--start", metavar="TIME", help="start of the time to compare")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument(
        "--collector",
        default=DEFAULT_URL,
        metavar="URL",
        help=f"URL of a running collector; default {DEFAULT_URL}",
    )
    add_credential_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the verdict, and return its exit code."""
    import msgspec

    from nilometer.values.times import time_of
    from nilometer_collector.api.resources.canary import CanaryView
    from nilometer_collector.commands.collector_client import CollectorClient

    asked: dict[str, str | list[str]] = {"entity": arguments.entity}
    for name in ("candidate", "stable", *(name for _, name, _ in _OPTIONS)):
        value = getattr(arguments, name)
        if value:
            asked[name] = value
    if arguments.start is not None:
        asked["start"] = repr(time_of("--start", arguments.start))
    client = CollectorClient.of(arguments)
    found = client.call(
        "GET", "/api/v1/canary", CanaryView, parameters=asked, seconds=ANSWER_SECONDS
    )
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        for line in _lines(found):
            print("".join(one if one.isprintable() else "?" for one in line))
    return EXIT_CODES[found.verdict]


def _lines(found: "CanaryView") -> "Iterator[str]":
    yield f"{found.verdict}: {found.sentence}"
    for one in found.summaries:
        note = "" if one.counts else " (does not count)"
        yield f"  {one.verdict}  {one.summary}{note}: {one.sentence}"
