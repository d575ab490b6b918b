"""`nilometer`: the commands of the library; the agent's and the collector's join by entry point.

Exit codes: 0 fine, 1 the answer is no, 2 wrong use or configuration.
"""

import argparse
import os
import sys
from importlib.metadata import entry_points

import nilometer
from nilometer.commands.config import add as add_config
from nilometer.commands.decode import add as add_decode
from nilometer.commands.profile import add as add_profile
from nilometer.commands.run import add as add_run
from nilometer.commands.top.cli import add as add_top
from nilometer.values.errors import ConfigError, NilometerError

EXIT_NO = 1
EXIT_WRONG_USE = 2
# Of the commands that are not named like the extra that brings what they need.
EXTRAS = {
    "alerters": "collector",
    "config": "agent",
    "doctor": "agent",
    "profile": "batch",
    "top": "agent",
}


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and run the command; an error of nilometer becomes one line."""
    parser = argparse.ArgumentParser(
        prog="nilometer", description="Watch a served model against its reference."
    )
    parser.add_argument("--version", action="version", version=f"nilometer {nilometer.__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    add_profile(commands)
    add_run(commands)
    add_config(commands)
    add_decode(commands)
    add_top(commands)
    for entry in sorted(entry_points(group="nilometer.commands"), key=lambda e: e.name):
        entry.load()(commands)
    arguments = parser.parse_args(argv)
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()  # a reader that has gone shows here, not when the interpreter ends
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does: there is nothing left to do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NO
    except ConfigError as error:
        print(f"nilometer: {error}", file=sys.stderr)
        return EXIT_WRONG_USE
    except ModuleNotFoundError as error:
        # Every command is listed; what it needs beyond the library comes with an extra.
        command, module = arguments.command, error.name or ""
        if module.startswith("nilometer"):
            raise  # a mistake of ours: no extra brings it
        extra = EXTRAS.get(command, command)
        print(
            f"nilometer: {command} needs {error.name}: pip install 'nilometer[{extra}]'",
            file=sys.stderr,
        )
        return EXIT_WRONG_USE
    except NilometerError as error:
        print(f"nilometer: {error}", file=sys.stderr)
        return EXIT_NO
    return status
