"""`nilometer channels`: list the channels of a collector, and send test messages."""

import argparse

from nilometer.commands.credentials import add_credential_options
from nilometer.values.errors import NilometerError

DEFAULT_URL = "http://127.0.0.1:7500"
TEST_SECONDS = 60.0  # time for two messages


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer channels`."""
    parser = subparsers.add_parser(
        "channels",
        help="list the channels of notifications, or send a test message",
        description="List the channels of a running collector, or send a test message to one. Writes "
        "to standard output only, and shows no secrets.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser(
        "list",
        help="list the channels",
        description="List the channels by name, with their kind. Writes to standard output only.",
    )
    listing.set_defaults(run=_list)
    test = actions.add_parser(
        "test",
        help="send a test message to a channel",
        description="Send the opening and the closing of a test episode to a channel. The exit code "
        "is 1 if the receiver does not accept them. Writes to standard output only.",
    )
    test.add_argument("name", metavar="NAME", help="name of the channel")
    test.set_defaults(run=_test)
    for action in (listing, test):
        action.add_argument(
            "--collector",
            default=DEFAULT_URL,
            metavar="URL",
            help=f"URL of a running collector; default {DEFAULT_URL}",
        )
        add_credential_options(action)


def _list(arguments: argparse.Namespace) -> int:
    from nilometer_collector.api.resources.channels import Channels
    from nilometer_collector.commands.collector_client import CollectorClient

    found = CollectorClient.of(arguments).call("GET", "/api/v1/channels", Channels)
    width = max((len(one.name) for one in found.channels), default=0)
    for one in found.channels:
        print(f"{one.name:{width}}  {one.kind}")
    return 0


def _test(arguments: argparse.Namespace) -> int:
    from nilometer_collector.api.resources.channels import ChannelTest
    from nilometer_collector.commands.collector_client import CollectorClient

    answer = CollectorClient.of(arguments).call(
        "POST",
        "/api/v1/channels/test",
        ChannelTest,
        parameters={"name": arguments.name},
        seconds=TEST_SECONDS,
    )
    if not answer.delivered:
        raise NilometerError(f"channel {arguments.name!r} did not accept the test: {answer.reason}")
    print(f"channel {arguments.name!r} accepted the test message and its closing")
    return 0
