"""The port for Prometheus and the kubelet: ``/metrics``, ``/livez``, ``/readyz``, ``/startupz``.

Every client that can reach the port can read it. It shows names, counts, sums and quantiles of
features. If there is only one observation, these show its values. The server accepts GET and HEAD,
with one request per connection and a few connections at once. Fewer scrapes than connections are
allowed, so that probes are always answered.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nilometer.export.series import Family
from nilometer.serving.threads import ThreadedServer, TimedHandler
from nilometer.values.errors import ConfigError

MAX_CONNECTIONS = 16
MAX_SCRAPES = 4  # scrapes that run or wait; a further scrape gets 503 and must retry
TURN_SECONDS = 10.0  # longest time to receive a request, and to send its response
STOP_SECONDS = 1.0
TEXT = "text/plain"

log = logging.getLogger("nilometer.export")


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


class MetricsServer:
    """Serves the metrics of *gather*. Call `start`, then `stop`.

    Args:
        address: Host and port; port 0 chooses a free port.
        gather: Function that returns all current families.
        resource: Resource attributes of the process.
        ready: Function that returns whether the process accepts work.
        alive: Function that returns whether the process works; if not, it must be restarted.
        by_address: Whether clients are distinguished by their addresses. If so, one address gets at
            most a quarter of the connections.

    Raises:
        ConfigError: If the address cannot be bound.
    """

    def __init__(
        self,
        address: tuple[str, int],
        gather: Callable[[], list[Family]],
        resource: Mapping[str, str],
        ready: Callable[[], bool],
        alive: Callable[[], bool] = lambda: True,
        *,
        by_address: bool = False,
    ) -> None:
        self._gather = gather
        self._resource = resource
        self._ready = ready
        self._alive = alive
        self._scrapes = threading.BoundedSemaphore(MAX_SCRAPES)
        self._encoding = threading.Lock()
        try:
            self._server = _Server(
                "nilometer-metrics",
                address,
                _Handler,
                connections=MAX_CONNECTIONS,
                turn_seconds=TURN_SECONDS,
                by_address=by_address,
            )
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            raise ConfigError(
                f"metrics_address = {where!r}: cannot be bound: {error.strerror}"
            ) from error
        self._server.reply = self._reply

    @property
    def port(self) -> int:
        """The bound port."""
        return self._server.port

    def start(self) -> None:
        """Start to serve."""
        self._server.start()

    def stop(self) -> None:
        """Stop the server. May be called before `start`, and twice."""
        self._server.stop(STOP_SECONDS)

    def _reply(self, path: str, accept: str) -> Answer:
        match path.partition("?")[0]:
            case "/metrics":
                return self._scrape(accept)
            case "/livez":
                return _said(self._alive(), b"alive\n")
            case "/readyz" | "/startupz":
                return _said(self._ready(), b"ready\n")
            case _:
                return Answer(404, b"/metrics, /livez, /readyz, /startupz\n")

    def _scrape(self, accept: str) -> Answer:
        if not self._scrapes.acquire(blocking=False):
            return Answer(503, b"too many scrapes at once\n", headers={"retry-after": "1"})
        try:
            # Imported at the first scrape, so that an agent without scrapes uses less memory.
            from nilometer.export.prometheus import exposition

            with self._encoding:  # a scrape with thousands of series needs 100 MB
                body, content_type = exposition(self._gather(), self._resource, accept)
            return Answer(200, body, content_type)
        finally:
            self._scrapes.release()


def _said(well: bool, what: bytes) -> Answer:  # noqa: FBT001  the state to report
    return Answer(200, what) if well else Answer(503, b"not " + what)


class _Server(ThreadedServer):
    reply: Callable[[str, str], Answer]


class _Handler(TimedHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802  the name that http.server asks for
        """Respond to a GET request."""
        self.request_is_whole()
        try:
            found = self.server.reply(self.path, self.headers.get("accept", ""))
        except Exception:
            log.exception("a scrape failed: report this error")
            found = Answer(500, b"internal error: see the log of this process\n")
        self.answer(found.status, {"content-type": found.content_type, **found.headers}, found.body)

    def do_HEAD(self) -> None:  # noqa: N802  as above
        """Respond to a HEAD request, without a body."""
        self.do_GET()
