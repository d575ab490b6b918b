"""Virtual environments for peers whose dependencies conflict with those of nilometer.

whylogs needs numpy below 2, and Evidently needs pandas below 3. Each environment is created once,
under `.venv-peers`.
"""

import subprocess
import sys
import venv
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent / ".venv-peers"
NEEDS = {
    "whylogs": ["whylogs[viz]==1.6.4", "numpy<2", "pandas<3", "pyarrow<20", "setuptools<81"],
    "evidently": ["evidently==0.7.23", "pandas<3", "pyarrow"],
    "alibi": ["alibi-detect==0.13.0", "pyarrow"],
    "nannyml": ["nannyml==0.13.1", "pyarrow"],
    "polars": ["polars>=1.9", "pyarrow"],
}


def python_of(peer: str) -> Path | None:
    """Return the interpreter of *peer*'s environment, created if needed; None if that fails."""
    home = HOME / peer
    python = home / "bin" / "python"
    made = home / ".made"
    if made.exists():
        return python
    print(f"installing {peer} in an environment of its own ...", flush=True)
    venv.create(home, with_pip=True, clear=True)
    finished = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *NEEDS[peer]],
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        print(f"{peer} cannot be installed: {finished.stderr.strip().splitlines()[-1:]}")
        return None
    made.touch()
    return python


def python_of_ours() -> Path:
    """Return the interpreter that runs this process, which has nilometer."""
    return Path(sys.executable)
