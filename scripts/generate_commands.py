"""Generate docs/commands.md from the parsers of the commands; --check only compares."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from nilometer.commands.cli import command_line

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
COLUMNS = "100"  # width of the texts
OTHER_FORM = (3, 13)  # Python whose help is in another form, so that only older ones compare
HEAD = """# Commands

Generated from the code by `make commands`. This page is what `--help` of each command prints. The text of a command says
what it reads, writes and calls. Exit codes: 0 for success, 1 for a negative result, 2 for wrong usage or configuration,
or a full disk.

"""


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield *parser*, then those of its commands in their order, each before its own commands."""
    yield parser
    for action in parser._actions:  # noqa: SLF001  (argparse has no public way to list commands)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                yield from parsers(command)


def page() -> str:
    """Return the text of docs/commands.md."""
    os.environ["COLUMNS"] = COLUMNS
    sections = [
        f"## {one.prog}\n\n```console\n$ {one.prog} --help\n{one.format_help()}```\n"
        for one in parsers(command_line())
    ]
    return HEAD + "\n".join(sections)


def main() -> None:
    """Write the page, or compare it with the code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    is_check = parser.parse_args().check
    if sys.version_info >= OTHER_FORM:  # its argparse prints options with a value in another form
        version = ".".join(map(str, OTHER_FORM))
        if not is_check:
            sys.exit(f"docs/commands.md is not written: use a Python before {version}")
        print(f"docs/commands.md is not compared: use a Python before {version}")
        return
    if not is_check:
        PAGE.write_text(page())
    elif not PAGE.is_file() or PAGE.read_text() != page():
        sys.exit("docs/commands.md differs from the code; run `make commands`")
    print("docs/commands.md is up to date")


if __name__ == "__main__":
    main()
