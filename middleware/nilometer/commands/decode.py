"""`nilometer decode`: shows how recorded traffic is decoded."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nilometer.values.request_rules import RequestRules


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "decode",
        help="show how recorded traffic would be decoded",
        description="Read a HAR file, or a manifest.json of recorded exchanges. For each exchange, "
        "print the protocol, the outcome, the prediction id, and the columns with their values. "
        "Sends and stores nothing.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="HAR file or manifest")
    parser.add_argument(
        "--decoders", nargs="*", default=[], metavar="MODULE", help="modules that register decoders"
    )
    parser.add_argument(
        "--include", nargs="*", metavar="RULE", help="requests that are predictions, as the setting"
    )
    parser.add_argument(
        "--exclude",
        nargs="*",
        metavar="RULE",
        help="requests that are not observed, as the setting",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from nilometer.commands.decoded_traffic import Selection, see
    from nilometer.commands.traffic_files import read
    from nilometer.profile.profiler import load

    load(arguments.decoders)
    selection = Selection(*_rules(arguments))
    seen = [see(exchange, selection) for exchange in read(arguments.file)]
    reasons = Counter(one.undecodable for one in seen if one.undecodable)
    if arguments.json:
        report = {"exchanges": [one.as_json() for one in seen], "undecodable": dict(reasons)}
        print(json.dumps(report))
        return 0
    for one in seen:
        print("\n".join(one.lines()))
    lost = "".join(f", {count} {reason}" for reason, count in sorted(reasons.items()))
    print(f"{len(seen)} exchanges, {len(seen) - reasons.total()} with columns{lost}")
    return 0


def _rules(arguments: argparse.Namespace) -> "tuple[RequestRules, RequestRules]":
    """Return the rules to include and to exclude, from the command line or else the settings.

    Raises:
        ConfigError: If a text is not a valid rule.
    """
    from nilometer.handoff.settings import PREFIX, CaptureSettings
    from nilometer.settings.settings import checked, given
    from nilometer.values.request_rules import RequestRules

    settings = checked(
        CaptureSettings, {"entity": "unnamed"} | given(CaptureSettings, prefix=PREFIX)
    )
    include, exclude = arguments.include, arguments.exclude
    return (
        RequestRules.of(settings.include if include is None else include, "include"),
        RequestRules.of(settings.exclude if exclude is None else exclude, "exclude"),
    )
