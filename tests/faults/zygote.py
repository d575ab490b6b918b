"""Processes by the dozen: one interpreter imports everything once and forks a child a request.

A killed agent is back in a tenth of a second, so hundreds of kills fit into a test. The
interpreter has imported gRPC and made nothing of it, which is when forking it is safe.
"""

import ctypes
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).resolve().parent
IMPORTS = ("faults.acting", "faults.children", "faults.delivering", "faults.outboxes")
# What a child would import itself: slowly, and with the changes that were made to the sources meanwhile.
OPTIONAL_IMPORTS = ("nilometer_collector.store.postgresql",)  # needs psycopg


class Zygote:
    """Starts children that run ``faults.children.<name>(**arguments)``.

    A name with a full stop has the module in front, such as ``delivering.deliver``.

    Args:
        directory: For logs and the shim.

    Attributes:
        shim: Why the shim is not there; empty where it is.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        path = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        library, self.shim = built_shim(directory)
        if library is not None:
            environment["LD_PRELOAD"] = str(library)
        ours, theirs = socket.socketpair()
        self._log = (directory / "children.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "zygote.py"), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        theirs.close()
        self._lines = ours.makefile("rw")
        self._socket = ours
        self._lock = threading.Lock()

    def start(self, name: str, **arguments: object) -> int:
        """Fork a child; its process id."""
        return int(self._ask("start", name, arguments))

    def wait(self, process: int) -> int:
        """The exit status of a child, as `os.waitpid` gives it."""
        return int(self._ask("wait", process))

    def ended(self, process: int) -> int | None:
        """The exit status of a child that has ended; None while it runs. Ask until it has."""
        gone, status = self._ask("poll", process)
        return int(status) if gone else None

    def is_over(self, process: int) -> bool:
        """Whether a child was killed; then it need not be waited for.

        Raises:
            AssertionError: If it ended in another way.
        """
        status = self.ended(process)
        assert status in {None, signal.SIGKILL}, f"status {status}: {self.log()[-3000:]}"
        return status is not None

    def kill(self, process: int) -> None:
        """Kill -9, and wait."""
        os.kill(process, signal.SIGKILL)
        self.wait(process)

    def run(self, name: str, **arguments: object) -> int:
        """Run a child to its end; its exit code."""
        return os.waitstatus_to_exitcode(self.wait(self.start(name, **arguments)))

    def log(self) -> str:
        """What the children wrote."""
        return (self.directory / "children.log").read_text("utf-8", "replace")

    def close(self) -> None:
        """End the interpreter and all children."""
        self._lines.close()
        self._socket.close()
        self._process.wait(60)
        self._log.close()

    def _ask(self, *request: object) -> Any:
        with self._lock:
            self._lines.write(json.dumps(request) + "\n")
            self._lines.flush()
            answer = self._lines.readline()
        assert answer, f"the zygote is gone: {self.log()[-2000:]}"
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def built_shim(directory: Path) -> tuple[Path | None, str]:
    """The shim, or why there is none."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        return None, "needs a C compiler on Linux"
    library = directory / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(HERE / "shim.c")]
    made = subprocess.run([*command, "-ldl"], capture_output=True, text=True, check=False)
    return (library, "") if made.returncode == 0 else (None, made.stderr[-300:])


def shim() -> Any:
    """The shim's functions, in a child that has it."""
    library = ctypes.CDLL(None)
    library.shim_note.argtypes = [ctypes.c_int64]
    library.shim_refuse.argtypes = [
        *(ctypes.c_int, ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_int)
    ]
    library.shim_met.restype = ctypes.c_long
    return library


def main(channel: int) -> None:
    """Serve until the other side closes."""
    sys.path.insert(0, str(HERE.parent))
    for module in IMPORTS:
        importlib.import_module(module)
    for module in OPTIONAL_IMPORTS:
        with suppress(ImportError):
            importlib.import_module(module)
    lines = socket.socket(fileno=channel).makefile("rw")
    children: set[int] = set()
    answer: object
    for line in lines:
        match json.loads(line):
            case ["start", name, arguments]:
                answer = os.fork()
                if not answer:
                    os.close(channel)  # only the zygote answers
                    _child(name, arguments)
                children.add(answer)
            case ["wait", process]:
                _, answer = os.waitpid(process, 0)
                children.discard(process)
            case ["poll", process]:
                gone, status = os.waitpid(process, os.WNOHANG)
                answer = gone, status
                children.discard(gone)
            case other:
                raise AssertionError(other)
        lines.write(json.dumps(answer) + "\n")
        lines.flush()
    for process in children:
        os.kill(process, signal.SIGKILL)


def _child(name: str, arguments: dict[str, Any]) -> None:
    try:
        module, _, function = (name if "." in name else f"children.{name}").partition(".")
        getattr(importlib.import_module(f"faults.{module}"), function)(**arguments)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
