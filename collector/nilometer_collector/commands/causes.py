"""`nilometer causes`: the likely causes of an episode, from a collector."""

import argparse
from typing import TYPE_CHECKING

from nilometer.commands.credentials import add_credential_options
from nilometer.settings.collector_url import DEFAULT_URL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nilometer_collector.api.resources.causes import CausesView

ANSWER_SECONDS = 60.0
BAR = 24  # characters of the longest bar


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer causes`."""
    parser = subparsers.add_parser(
        "causes",
        help="name the likely causes of an episode",
        description="Print the likely causes of an episode, likeliest first, each with its shares "
        "before and since the onset or its timeline, and what cannot be told. Stores nothing. Writes to "
        "standard output only.",
    )
    parser.add_argument("--entity", required=True, help="entity of the episode")
    parser.add_argument("--episode", help="id of the episode; default the newest of the entity")
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
    """Print the causes.

    Raises:
        NilometerError: If the collector cannot be asked, or the entity has no episode.
    """
    import msgspec

    from nilometer.values.errors import NilometerError
    from nilometer_collector.api.resources.causes import CausesView
    from nilometer_collector.api.resources.episodes import Episodes
    from nilometer_collector.commands.collector_client import CollectorClient

    client = CollectorClient.of(arguments)
    episode = arguments.episode
    if episode is None:
        asked: dict[str, str | list[str]] = {"entity": arguments.entity}
        known = client.call("GET", "/api/v1/episodes", Episodes, parameters=asked).episodes
        if not known:
            raise NilometerError(f"{arguments.entity} has no episode")
        episode = str(known[0].id)
    found = client.call(
        "GET",
        "/api/v1/episodes/causes",
        CausesView,
        parameters={"entity": arguments.entity, "episode": episode},
        seconds=ANSWER_SECONDS,
    )
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        for line in lines_of(found):
            print("".join(one if one.isprintable() else "?" for one in line))
    return 0


def lines_of(found: "CausesView") -> "Iterator[str]":
    """Yield the causes as text, each with its picture in characters."""
    for number, cause in enumerate(found.causes, start=1):
        yield f"{number}. {cause.kind}: {cause.sentence}"
        most = max((abs(share.now) for share in cause.shares), default=0.0) or 1.0
        width = max((len(share.name) for share in cause.shares if share.marked), default=0)
        for share in cause.shares:
            if share.marked:
                bar = "█" * max(round(BAR * abs(share.now) / most), 1)
                yield f"     {share.name:<{width}}  {share.before:7.3g} -> {share.now:<7.3g} {bar}"
    for one in found.untold:
        yield f"-  {one.kind}: {one.sentence}"
