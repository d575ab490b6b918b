"""`nilometer`: the library's commands; the agent and the collector add their own.

Exit codes: 0 success, 1 a negative result, 2 wrong usage or configuration, or a full disk.
"""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, NoReturn, TextIO, cast

import nilometer
from nilometer.values.errors import ConfigError, NilometerError

EXIT_NO = 1
EXIT_WRONG_USE = 2
_GRPC_LOG = "GRPC_VERBOSITY"
_FULL = {errno.ENOSPC, errno.EDQUOT}
# Module and function that add each command of the library, in the order of the help.
_OWN = {
    "profile": ("nilometer.commands.profile", "add"),
    "run": ("nilometer.commands.run", "add"),
    "config": ("nilometer.commands.config", "add"),
    "decode": ("nilometer.commands.decode", "add"),
    "top": ("nilometer.commands.top.cli", "add"),
    "query": ("nilometer.commands.query", "add"),
    "log": ("nilometer.commands.log", "add"),
    "ground-truth": ("nilometer.commands.ground_truth", "add"),
    "export": ("nilometer.commands.export_import", "add_export"),
    "import": ("nilometer.commands.export_import", "add_import"),
}
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


class _Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong. Those of the commands are of this class, too."""

    def error(self, message: str) -> NoReturn:
        """Print *message*, and end with `EXIT_WRONG_USE`."""
        from nilometer.commands.query import printable

        self.exit(EXIT_WRONG_USE, f"{self.prog}: {printable(message)}: see {self.prog} --help\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print the help or the version; do not hide a failure of the output, as argparse does."""
        if file is sys.stdout and message:
            file.write(message)
        else:
            super()._print_message(message, file)


class _Output:
    """Standard output that remembers its own failure.

    An error of a full disk does not say which file was written.

    Attributes:
        failure: Last error of a write; None without one.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write *text*."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self.failure = error
            raise

    def __getattr__(self, name: str) -> Any:
        """Return anything else of the stream."""
        return getattr(self._stream, name)


def command_line(first: str = "") -> argparse.ArgumentParser:
    """Return the parser of the command *first*; of all commands if there is none of that name.

    Only the command in use is imported, because all of them together take most of a second. The commands
    of the agent and of the collector are included if these are installed.
    """
    parser: argparse.ArgumentParser = _Parser(
        prog="nilometer", description="Watch a served model against its reference."
    )
    parser.add_argument("--version", action="version", version=f"nilometer {nilometer.__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    if first != "--version":  # which needs no command
        _add_command(commands, first)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and run the command; print an error of nilometer as one line."""
    words = sys.argv[1:] if argv is None else argv
    output = _Output(sys.stdout)
    try:
        with redirect_stdout(cast("TextIO", output)):
            try:
                return _run(words)
            finally:
                output.flush()  # flush now, so that a failure raises here and not at exit
    except BrokenPipeError:
        # The reader, such as `head`, closed the pipe, so no more output is needed.
        _drop_output()
        return EXIT_NO
    except OSError as error:
        if error is not output.failure or error.errno not in _FULL:
            raise
        _drop_output()
        print(f"nilometer: the output cannot be written: {error.strerror}", file=sys.stderr)
        return EXIT_WRONG_USE


def _run(words: list[str]) -> int:
    """Run the command that *words* name; return its exit code."""
    arguments = command_line(words[0] if words else "").parse_args(words)
    try:
        with _grpc_log(is_quiet=getattr(arguments, "is_grpc_quiet", False)):
            return int(arguments.run(arguments))
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


@contextmanager
def _grpc_log(*, is_quiet: bool) -> Iterator[None]:
    """Keep gRPC's own log, which would be between the lines of a command, out of its output.

    gRPC reads the variable when a command first imports it. Child processes of later commands do not
    inherit it.

    Args:
        is_quiet: Whether the command set `is_grpc_quiet` where it was added.
    """
    is_set = is_quiet and _GRPC_LOG not in os.environ
    if is_set:
        os.environ[_GRPC_LOG] = "NONE"
    try:
        yield
    finally:
        if is_set:
            os.environ.pop(_GRPC_LOG, None)


def _drop_output() -> None:
    """Write what is still buffered nowhere, so that Python does not fail at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str
) -> None:
    """Add the command *name*; add every command if there is none of that name, as for `--help`."""
    if name in _OWN:
        _add_own(commands, name)
        return
    from importlib.metadata import entry_points  # slow to import, and only needed here

    entries = entry_points(group="nilometer.commands")
    found = entries.select(name=name)
    if not found:
        for own in _OWN:
            _add_own(commands, own)
    for entry in sorted(found or entries, key=lambda e: e.name):
        entry.load()(commands)


def _add_own(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str) -> None:
    module, function = _OWN[name]
    getattr(importlib.import_module(module), function)(commands)


def _shown(error: NilometerError) -> str:
    """Return the lines of *error*, which may quote a server, as a terminal may show them."""
    from nilometer.commands.query import printable

    return "\n".join(map(printable, str(error).split("\n")))
