"""`nilometer demo`: replays real flights with a fault in the second half, and shows the alarm."""

import argparse
from pathlib import Path


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="see the whole system work on real flights",
        description="Train a small model on flights of 2013. Start a collector, an agent and a "
        "model server with two workers on loopback. Log two months as past windows, so that the "
        "default alerter knows what is normal. Replay two weeks over HTTP, and change the unit of "
        "one feature half-way. Show the alarm that names this feature. Writes to its own directory "
        "only, and stops all processes that it started.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as last line")
    parser.add_argument(
        "--keep", action="store_true", help="keep everything running, to look at the pages"
    )
    parser.add_argument(
        "--directory", type=Path, help="directory for state and logs; default: a new one"
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="workers of the model server; default 2"
    )
    parser.add_argument(
        "--store",
        metavar="URL",
        default="",
        help="store of the collector: 'postgresql' starts a server of this machine's PostgreSQL in a "
        "temporary directory, and postgresql://... uses an empty database; default: a SQLite file",
    )
    parser.set_defaults(run=run, is_grpc_quiet=True)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; return 0 if no request is lost and only the broken feature alarmed."""
    from nilometer_collector.demo.show import show

    return show(arguments)
