"""`nilometer demo`: real flights, a fault half-way, and the alert that names it."""

import argparse
from pathlib import Path


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="see the whole system work on real flights",
        description="Train a small model on flights of 2013, start a collector, an agent and a "
        "model server with two workers on loopback, replay two weeks over HTTP, change the unit "
        "of one feature half-way, and show the alert that names it. Writes to a directory of its "
        "own only, and ends what it started.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as last line")
    parser.add_argument("--keep", action="store_true", help="leave everything up for a look")
    parser.add_argument("--directory", type=Path, help="for state and logs; default: a new one")
    parser.add_argument("--workers", type=int, default=2, help="of the model server; default 2")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 only if the books balance and the broken feature, and no other, alerted."""
    from nilometer_collector.demo.show import show

    return show(arguments)
