"""docs/commands.md is the help of every command, and each command line in the docs is accepted."""

import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nilometer.commands.cli import command_line

ROOT = Path(__file__).resolve().parents[2]
RUN = {"declared.md"}  # pages whose commands and outputs a test runs
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
]


def test_the_page_is_the_help_of_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")  # the script sets its own width
    monkeypatch.setattr(sys, "argv", ["generate_commands.py", "--check"])
    runpy.run_path(str(ROOT / "scripts" / "generate_commands.py"), run_name="__main__")
    told = "is not compared" if sys.version_info >= (3, 13) else "is up to date"
    assert told in capsys.readouterr().out


def test_a_python_with_other_help_neither_compares_nor_writes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = str(ROOT / "scripts" / "generate_commands.py")
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    monkeypatch.setattr(sys, "argv", [script, "--check"])
    runpy.run_path(script, run_name="__main__")
    assert capsys.readouterr().out == (
        "docs/commands.md is not compared: use a Python before 3.13\n"
    )
    monkeypatch.setattr(Path, "write_text", None)
    monkeypatch.setattr(sys, "argv", [script])
    with pytest.raises(SystemExit, match="is not written"):
        runpy.run_path(script, run_name="__main__")


def lines_of(page: Path) -> Iterator[str]:
    """Yield each call of `nilometer` in the shell blocks of a page, without redirections."""
    for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", page.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.match(r"\s*(?:\$ )?(?:\S*bin/)?nilometer (.*)", line)
            if found:
                yield re.split(r"\s(?:[|<>&]|2>)", found[1])[0]


def test_each_command_line_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    parser, refused = command_line(), []
    lines = [(page, line) for page in PAGES for line in lines_of(page)]
    assert len(lines) > 100
    for page, line in lines:
        try:
            parser.parse_args(shlex.split(line, comments=True))
        except SystemExit as ended:
            if ended.code:
                refused.append(f"{page.name}: nilometer {line}: {capsys.readouterr().err}")
    assert not refused


def test_every_shown_output_is_run_by_a_test() -> None:
    """A block with a prompt shows an output. The other pages show commands without outputs."""
    shown = {
        str(page.relative_to(ROOT / "docs"))
        for page in (ROOT / "docs").rglob("*.md")
        if "```console\n" in page.read_text()
    }
    declared = {f"declared/{page.name}" for page in (ROOT / "docs" / "declared").glob("*.md")}
    assert shown <= {"commands.md", *RUN, *declared}
