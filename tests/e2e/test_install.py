"""Each package of a fresh clone, installed in an empty environment, has the pages."""

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from e2e.stack import ROOT, process

from nilometer.testing import eventually
from nilometer_collector.demo.processes import free_port

EXTRAS = "[agent,collector,batch]"  # the README's

pytestmark = pytest.mark.timeout(600)


class Environment:
    """A virtual environment of its own; *tools* are the programs in its path beside Python's."""

    def __init__(self, directory: Path, tools: str) -> None:
        self._binaries = directory / "bin"
        self._variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        self._variables["PATH"] = f"{self._binaries}{os.pathsep}{tools}"
        self.run(sys.executable, "-m", "venv", str(directory))

    def run(self, *command: str, cwd: Path | None = None) -> None:
        finished = subprocess.run(
            command, cwd=cwd, env=self._variables, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr

    def python(self, *arguments: str, cwd: Path | None = None) -> None:
        self.run(str(self._binaries / "python"), *arguments, cwd=cwd)

    def pip(self, *arguments: str, cwd: Path | None = None) -> None:
        self.python("-m", "pip", "--disable-pip-version-check", *arguments, cwd=cwd)

    @contextmanager
    def collector(self, directory: Path) -> Iterator[str]:
        """A collector that was started from this environment; yields its address."""
        http, grpc = free_port(), free_port()
        command = [
            *(str(self._binaries / "nilometer"), "collector", "--database", str(directory / "db")),
            *("--http-address", f"127.0.0.1:{http}", "--grpc-address", f"127.0.0.1:{grpc}"),
        ]
        url = f"http://127.0.0.1:{http}"
        with process(command, directory / "collector.log") as started:
            eventually(lambda: started.poll() is None and answers(url))
            yield url


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def assert_shows_pages(environment: Environment, directory: Path) -> None:
    """A collector from *environment* serves the page and every file that the page names."""
    with environment.collector(directory) as url, httpx.Client(trust_env=False) as client:
        page = client.get(f"{url}/").text
        files = re.findall(r'(?:src|href)="\./([^"]+)"', page)
        assert {Path(file).suffix for file in files} >= {".css", ".js"}, page
        for file in files:
            assert client.get(f"{url}/{file}").is_success, file


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone of what is committed."""
    directory = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(directory)], check=True)
    return directory


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv", os.environ["PATH"])


def test_a_wheel_has_the_pages(clone: Path, environment: Environment, tmp_path: Path) -> None:
    environment.pip("wheel", "--no-deps", "--wheel-dir", str(tmp_path), ".", cwd=clone)
    (wheel,) = tmp_path.glob("*.whl")
    environment.pip("install", f"{wheel}{EXTRAS}")
    assert_shows_pages(environment, tmp_path)


def test_an_install_from_git_has_the_pages(
    clone: Path, environment: Environment, tmp_path: Path
) -> None:
    environment.pip("install", f"git+{clone.as_uri()}")
    environment.pip("install", f"nilometer{EXTRAS}")  # the extras of what is installed
    assert_shows_pages(environment, tmp_path)


def test_a_source_distribution_is_whole_and_needs_no_node(
    clone: Path, environment: Environment, tmp_path: Path
) -> None:
    environment.pip("install", "hatchling")
    environment.python("-m", "hatchling", "build", "--target", "sdist", cwd=clone)
    (archive,) = (clone / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        packed = {name.partition("/")[2] for name in opened.getnames()}
    committed = subprocess.run(
        ["git", "ls-files"], cwd=clone, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    left_out = {name for name in committed if name not in packed and not name.startswith(".")}
    assert left_out == set()
    assert not [name for name in packed if "node_modules" in name]

    without_node = Environment(tmp_path / "without_node", tools="")
    without_node.pip("install", f"{archive}{EXTRAS}")
    assert_shows_pages(without_node, tmp_path)


def test_an_editable_install_needs_no_node(clone: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv", tools="")
    environment.pip("install", "--no-deps", "--editable", ".", cwd=clone)
    assert not (clone / ".venv-node").exists()
    assert not (clone / "collector" / "nilometer_collector" / "static").exists()
