"""`nilometer decode`: shows how recorded traffic would be decoded."""

import argparse
import json
from collections import Counter
from pathlib import Path


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
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from nilometer.commands.decoded_traffic import see
    from nilometer.commands.traffic_files import read
    from nilometer.profile.profiler import load

    load(arguments.decoders)
    seen = [see(exchange) for exchange in read(arguments.file)]
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
