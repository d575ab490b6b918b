"""`nilometer alerters`: print alerters as Prometheus rules."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nilometer.commands.credentials import add_credential_options
from nilometer.settings.collector_url import DEFAULT_URL
from nilometer.values.errors import ConfigError
from nilometer.values.nearest import did_you_mean

if TYPE_CHECKING:
    from nilometer.alert import Alerter
    from nilometer_collector.commands.collector_client import CollectorClient


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer alerters`."""
    parser = subparsers.add_parser(
        "alerters",
        help="print alerters as Prometheus rules",
        description="Print recording and alerting rules for Prometheus. Reads the alerters from a "
        "running collector, or from the collector's settings file that --config names. Writes to "
        "standard output only.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--config", type=Path, metavar="FILE", help="settings file of the collector"
    )
    source.add_argument(
        "--collector",
        default=DEFAULT_URL,
        metavar="URL",
        help=f"URL of a running collector; default {DEFAULT_URL}",
    )
    add_credential_options(parser)
    parser.add_argument("--entity", help="print only the alerters of this entity")
    parser.add_argument(
        "--window-seconds",
        type=int,
        default=60,
        help="length of the agents' windows in seconds; default 60",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the rules."""
    import yaml

    from nilometer import kinds
    from nilometer_collector.alerting.prometheus_rules import rules
    from nilometer_collector.commands.collector_client import CollectorClient

    if arguments.window_seconds < 1:
        raise ConfigError(f"--window-seconds = {arguments.window_seconds}: must be at least 1")
    kinds.load()
    if arguments.config:
        written = _of_file(arguments.config)
    else:
        written = _of_collector(CollectorClient.of(arguments))
    chosen = [one for one in written if arguments.entity in {None, one.entity}]
    if arguments.entity and not chosen:
        entities = sorted({one.entity for one in written})
        print(
            f"nilometer: entity = {arguments.entity!r}: has no alerter"
            f"{did_you_mean(arguments.entity, entities)} (entities with alerters: "
            f"{', '.join(entities) or 'none'})",
            file=sys.stderr,
        )
    made = rules(chosen, arguments.window_seconds)
    yaml.safe_dump(made, sys.stdout, sort_keys=False, width=100, allow_unicode=True)
    return 0


def _of_file(file: Path) -> "list[Alerter]":
    from nilometer.settings.settings import load
    from nilometer_collector.alerting.definitions import alerter_of
    from nilometer_collector.settings import PREFIX, CollectorSettings

    settings = load(CollectorSettings, prefix=PREFIX, file=file)
    return [alerter_of(definition) for definition in settings.alerters]


def _of_collector(client: "CollectorClient") -> "list[Alerter]":
    from nilometer_collector.alerting.definitions import alerter_of
    from nilometer_collector.api.resources.alerters import Alerters

    found = client.call("GET", "/api/v1/alerters", Alerters)
    for unread in found.unread or ():
        print(
            f"nilometer alerters: alerter {unread.name!r} of {unread.entity} is left out: "
            f"{unread.reason}",
            file=sys.stderr,
        )
    return [alerter_of(view) for view in found.alerters]
