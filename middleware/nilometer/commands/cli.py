"""`nilometer`: the library's commands; the agent and the collector add their own.

Exit codes: 0 success, 1 a negative result, 2 wrong usage or configuration.
"""

import argparse
import os
import sys
from importlib.metadata import entry_points

import nilometer
from nilometer.commands.config import add as add_config
from nilometer.commands.decode import add as add_decode
from nilometer.commands.export_import import add_export, add_import
from nilometer.commands.ground_truth import add as add_ground_truth
from nilometer.commands.log import add as add_log
from nilometer.commands.profile import add as add_profile
from nilometer.commands.query import add as add_query
from nilometer.commands.query import printable
from nilometer.commands.run import add as add_run
from nilometer.commands.top.cli import add as add_top
from nilometer.values.errors import ConfigError, NilometerError

EXIT_NO = 1
EXIT_WRONG_USE = 2
# The extra that a command needs, if it is named differently from the command.
EXTRAS = {
    "alerters": "collector",
    "apply": "collector",
    "backtest": "collector",
    "backup": "collector",
    "canary": "collector",
    "causes": "collector",
    "changes": "collector",
    "channels": "collector",
    "config": "agent",
    "delete": "collector",
    "describe": "collector",
    "doctor": "agent",
    "episodes": "collector",
    "export": "batch,client",
    "get": "collector",
    "ground-truth": "client",
    "import": "batch",
    "log": "client",
    "profile": "batch",
    "query": "client",
    "reference": "collector",
    "restore": "collector",
    "rollback": "collector",
    "top": "agent",
}


def command_line() -> argparse.ArgumentParser:
    """Return the parser of all commands, those of the agent and the collector included."""
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
    add_query(commands)
    add_log(commands)
    add_ground_truth(commands)
    add_export(commands)
    add_import(commands)
    for entry in sorted(entry_points(group="nilometer.commands"), key=lambda e: e.name):
        entry.load()(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and run the command; print an error of nilometer as one line."""
    arguments = command_line().parse_args(argv)
    try:
        status = int(arguments.run(arguments))
        sys.stdout.flush()  # flush now, so that a closed pipe raises here and not at exit
    except BrokenPipeError:
        # The reader, such as `head`, closed the pipe, so no more output is needed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NO
    except ConfigError as error:
        print(f"nilometer: {_shown(error)}", file=sys.stderr)
        return EXIT_WRONG_USE
    except ModuleNotFoundError as error:
        # Every command is listed, even if it needs packages of an extra.
        command, module = arguments.command, error.name or ""
        if module.startswith("nilometer"):
            raise  # this is a bug in nilometer, because no extra installs the module
        extra = EXTRAS.get(command, command)
        print(
            f"nilometer: {command} needs {error.name}: pip install 'nilometer[{extra}]'",
            file=sys.stderr,
        )
        return EXIT_WRONG_USE
    except NilometerError as error:
        print(f"nilometer: {_shown(error)}", file=sys.stderr)
        return EXIT_NO
    return status


def _shown(error: NilometerError) -> str:
    """Return the lines of *error*, which may quote a server, as a terminal may show them."""
    return "\n".join(map(printable, str(error).split("\n")))
