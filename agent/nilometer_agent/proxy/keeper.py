"""The agent's side of its proxies: starts, restarts and stops their process."""

import importlib.util
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from nilometer.values.errors import ConfigError
from nilometer_agent.proxy.settings import ProxySettings

NEEDED = ("hpack", "httptools")
START_SECONDS = 20.0
AGAIN_SECONDS = (0.1, 0.5, 1.0, 5.0)  # wait before each restart; the last one repeats
STEADY_SECONDS = 60.0  # run time after which earlier failures no longer count
END_SECONDS = 5.0  # time to send the last observations, in addition to `drain_seconds`

log = logging.getLogger("nilometer.agent")


class Keeper:
    """Keeps the process of the proxies alive. A `Source` of the agent.

    The process ends with the agent, even if the agent crashes. It reads a pipe that only the agent
    holds open.

    Args:
        proxies: Settings of the proxies, at least one.
        socket: Path of the agent's socket.

    Raises:
        ConfigError: If a package that proxies need is not installed.
    """

    name = "proxies"

    def __init__(self, proxies: Sequence[ProxySettings], socket: Path) -> None:
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise ConfigError(
                f"proxy: needs {' and '.join(missing)}: pip install 'nilometer[agent,proxy]'"
            )
        agent = f"unix:{socket.absolute()}"
        self._settings = msgspec.json.encode(
            [msgspec.structs.replace(proxy, agent=agent) for proxy in proxies]
        )
        self.stop_seconds = END_SECONDS + max(
            proxy.drain_seconds + proxy.shutdown_seconds for proxy in proxies
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="nilometer-proxies", daemon=True)
        self.ports: tuple[int, ...] = ()  # port of each proxy; 0 for Unix sockets
        self.restarts = 0

    def start(self) -> None:
        """Start the process, and return when every proxy listens.

        Raises:
            ConfigError: If a proxy cannot listen.
        """
        self._spawn()
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Stop the process after its requests, within `drain_seconds`.

        May be called before `start`, and twice.

        Args:
            deadline: Monotonic time at which the process is killed.
        """
        self._stopping.set()
        if self._process is None and self._thread.is_alive():
            self._thread.join(
                max(deadline - time.monotonic(), 0.0)
            )  # the thread may be starting a process
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            log.error("proxies did not stop in time and are killed: raise drain_seconds")  # noqa: TRY400  no trace is needed
            process.kill()
            process.wait()
        if self._thread.is_alive():
            self._thread.join(1.0)
        if process.stdout is not None:
            process.stdout.close()

    def _spawn(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "nilometer_agent.proxy"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # The workers get all settings over stdin; they must not read the agent's settings file.
            env={key: value for key, value in os.environ.items() if key != "NILOMETER_CONFIG"},
        )
        assert process.stdin is not None  # noqa: S101  as asked for
        assert process.stdout is not None  # noqa: S101  as asked for
        late = threading.Timer(START_SECONDS, process.kill)
        late.start()
        try:
            process.stdin.write(self._settings + b"\n")
            process.stdin.flush()
            said = process.stdout.readline().decode("utf-8", "replace").split()
        except OSError:
            said = []
        finally:
            late.cancel()
        if said[:1] != ["ready"]:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
            raise ConfigError(" ".join(said) or "proxy: the process of the proxies did not start")
        self.ports = tuple(map(int, said[1:]))
        self._process = process

    def _keep(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            process = self._process
            if process is not None:
                try:
                    process.wait(STEADY_SECONDS)
                except subprocess.TimeoutExpired:
                    failures = 0
                    continue
                if self._stopping.is_set():
                    return
                log.error(
                    "proxies ended unexpectedly, restarting: report this if it happens again",
                    extra={"code": process.returncode},
                )
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()
                self._process = None
            if self._stopping.wait(AGAIN_SECONDS[min(failures, len(AGAIN_SECONDS) - 1)]):
                return
            failures += 1
            try:
                self._spawn()
                self.restarts += 1
            except (ConfigError, OSError) as error:
                log.error(  # noqa: TRY400
                    "proxies cannot be started, will retry: correct the cause given in the reason",
                    extra={"reason": str(error)},
                )
