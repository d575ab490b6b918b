"""A process that cannot use the extension runs the Python code, and says why."""

import os
import subprocess
import sys
from pathlib import Path

import nilometer_speedups
import pytest
from nilometer_speedups import _lane

WHICH = """
import logging; logging.basicConfig(format="%(message)s")
from nilometer import NilometerMiddleware
from nilometer.handoff.plain import lane
async def app(scope, receive, send): ...
NilometerMiddleware(app, entity="tested")
print("Python" if lane is None else "C")
"""


def which(path: Path, **environment: str) -> tuple[str, str, int]:
    own = {**os.environ, "PYTHONPATH": str(path), "NILOMETER_SPEEDUPS": "auto", **environment}
    done = subprocess.run(
        [sys.executable, "-c", WHICH], env=own, capture_output=True, text=True, check=False
    )
    return done.stdout.strip(), done.stderr, done.returncode


def installed(directory: Path, version: str, *, whole: bool = True) -> Path:
    """Make a copy of the installed extension that says it is of *version*."""
    package = directory / "nilometer_speedups"
    package.mkdir()
    (package / "__init__.py").write_text(f"__version__ = {version!r}\n")
    if whole:
        (package / Path(_lane.__file__).name).symlink_to(_lane.__file__)
    return directory


def test_an_installed_extension_is_used(tmp_path: Path) -> None:
    path = installed(tmp_path, nilometer_speedups.__version__)
    assert which(path) == ("C", "", 0)
    assert which(path, NILOMETER_SPEEDUPS="required") == ("C", "", 0)


def test_an_environment_variable_turns_it_off(tmp_path: Path) -> None:
    path = installed(tmp_path, nilometer_speedups.__version__)
    assert which(path, NILOMETER_SPEEDUPS="off") == ("Python", "", 0)


def test_without_the_extension_nothing_is_said(tmp_path: Path) -> None:
    assert which(tmp_path) == ("Python", "", 0)


def test_one_of_another_version_is_not_used(tmp_path: Path) -> None:
    out, log, _ = which(installed(tmp_path, "0.0.7"))
    assert out == "Python"
    assert "nilometer-speedups is not used: version 0.0.7 needs nilometer 0.0.7" in log


def test_one_that_is_half_installed_is_not_used(tmp_path: Path) -> None:
    path = installed(tmp_path, nilometer_speedups.__version__, whole=False)
    out, log, _ = which(path)
    assert out == "Python"
    assert "nilometer-speedups is not used" in log


@pytest.mark.parametrize("content", ["raise RuntimeError('broken')", "import ]"])
def test_one_that_is_damaged_is_not_used(content: str, tmp_path: Path) -> None:
    package = tmp_path / "nilometer_speedups"
    package.mkdir()
    (package / "__init__.py").write_text(content)
    out, log, _ = which(tmp_path)
    assert out == "Python"
    assert "nilometer-speedups is not used" in log


def test_a_process_that_requires_it_does_not_start_without(tmp_path: Path) -> None:
    out, log, code = which(tmp_path, NILOMETER_SPEEDUPS="required")
    assert (out, code) == ("", 1)
    assert "speedups = required: install nilometer-speedups of this version" in log


def test_a_sub_interpreter_is_refused() -> None:
    code = """
try:
    import _xxsubinterpreters as interpreters
except ImportError:  # since Python 3.13
    import _interpreters as interpreters
one = interpreters.create()
try:
    print(interpreters.run_string(one, "import nilometer_speedups._lane"))
except interpreters.RunFailedError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "does not support" in done.stdout
