"""The port for Prometheus and the kubelet: ``/metrics``, ``/livez``, ``/readyz``, ``/startupz``.

Anybody who reaches it may read it: it tells names, counts, sums and quantiles of features, and those of
a single observation are that observation. It takes GET and HEAD, one request a connection, a few
connections at once, and fewer scrapes than connections, so that probes are always answered.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nilometer.export.series import Family
from nilometer.serving.threads import ThreadedServer, TimedHandler
from nilometer.values.errors import ConfigError

MAX_CONNECTIONS = 16
MAX_SCRAPES = 4  # that are made or wait to be made; more are told to come again
TURN_SECONDS = 10.0  # for a request to come, and for its answer to be taken
STOP_SECONDS = 1.0
TEXT = "text/plain"

log = logging.getLogger("nilometer.export")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


class MetricsServer:
    """Serves what *gather* gives. `start`, then `stop`.

    Args:
        address: Host and port; port 0 takes a free one.
        gather: All families as of now.
        resource: Who exports.
        ready: Whether work would be taken now.
        alive: Whether the process still works, so that nobody need restart it.
        by_address: Whether the addresses of peers tell them apart: then one has a quarter of the
            connections at most.

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
        """The real port."""
        return self._server.port

    def start(self) -> None:
        """Begin."""
        self._server.start()

    def stop(self) -> None:
        """End. Safe before `start`, and twice."""
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
            # Imported at the first scrape: an agent that nobody scrapes pays nothing.
            from nilometer.export.prometheus import exposition

            with self._encoding:  # thousands of series take a hundred megabytes for a moment
                body, content_type = exposition(self._gather(), self._resource, accept)
            return Answer(200, body, content_type)
        finally:
            self._scrapes.release()


def _said(well: bool, what: bytes) -> Answer:  # noqa: FBT001  the question itself
    return Answer(200, what) if well else Answer(503, b"not " + what)


class _Server(ThreadedServer):
    reply: Callable[[str, str], Answer]


class _Handler(TimedHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802  the name that http.server asks for
        """Answer."""
        self.request_is_whole()
        try:
            found = self.server.reply(self.path, self.headers.get("accept", ""))
        except Exception:
            log.exception("a scrape failed")
            found = Answer(500, b"the log says more\n")
        self.answer(found.status, {"content-type": found.content_type, **found.headers}, found.body)

    def do_HEAD(self) -> None:  # noqa: N802  as above
        """Answer without a body."""
        self.do_GET()
