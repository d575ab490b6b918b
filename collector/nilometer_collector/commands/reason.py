"""The option `--reason` of commands that change declared objects."""

import argparse


def add_reason_option(parser: argparse.ArgumentParser) -> None:
    """Add `--reason` to *parser*."""
    parser.add_argument(
        "--reason",
        metavar="TEXT",
        default="",
        help="why, one line of at most 500 characters; `nilometer changes` shows it",
    )


def reason_asked(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the parameter of the request that has the reason; empty without one."""
    return {"reason": arguments.reason} if arguments.reason else {}
