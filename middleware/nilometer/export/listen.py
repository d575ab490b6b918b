"""The port for Prometheus and the kubelet: ``/metrics``, ``/livez``, ``/readyz``, ``/startupz``.

Anybody who reaches it may read it: it tells names, counts, sums and quantiles of features, and those of
a single observation are that observation. It takes GET and HEAD, one request a connection, a few
connections at once.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from nilometer.export.bounded import POLL_SECONDS, BoundedHandler, BoundedServer
from nilometer.export.series import Family
from nilometer.values.errors import ConfigError

MAX_CONNECTIONS = 16
REQUEST_SECONDS = 10.0  # in all, the answer included

log = logging.getLogger("nilometer.export")


class MetricsServer:
    """Serves what *gather* gives. `start`, then `stop`.

    Args:
        address: Host and port; port 0 takes a free one.
        gather: All families as of now.
        resource: Who exports.
        ready: Whether work would be taken now.
        alive: Whether the process still works, so that nobody need restart it.

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
    ) -> None:
        self._gather = gather
        self._resource = resource
        self._ready = ready
        self._alive = alive
        self._encoding = threading.Lock()
        try:
            self._server = _Server(address, self._answer)
        except OSError as error:
            where = f"{address[0]}:{address[1]}"
            raise ConfigError(
                f"metrics_address = {where!r}: cannot be bound: {error.strerror}"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": POLL_SECONDS},
            name="nilometer-metrics",
            daemon=True,
        )

    @property
    def port(self) -> int:
        """The real port."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End. Safe before `start`, and twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(REQUEST_SECONDS)
        self._server.server_close()

    def _answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """Status, content type and body for *path*."""
        match path.partition("?")[0]:
            case "/metrics":
                # Imported at the first scrape: an agent that nobody scrapes pays nothing.
                from nilometer.export.prometheus import exposition

                with self._encoding:  # thousands of series take a hundred megabytes for a moment
                    body, content_type = exposition(self._gather(), self._resource, accept)
                return 200, content_type, body
            case "/livez":
                return _said(self._alive(), b"alive\n")
            case "/readyz" | "/startupz":
                return _said(self._ready(), b"ready\n")
            case _:
                return 404, "text/plain", b"/metrics, /livez, /readyz, /startupz\n"


def _said(well: bool, what: bytes) -> tuple[int, str, bytes]:  # noqa: FBT001  the question itself
    return (200, "text/plain", what) if well else (503, "text/plain", b"not " + what)


class _Server(BoundedServer):
    def __init__(
        self, address: tuple[str, int], answer: Callable[[str, str], tuple[int, str, bytes]]
    ) -> None:
        self.answer = answer
        super().__init__(address, _Handler, MAX_CONNECTIONS, REQUEST_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One who goes away is no fault of ours."""
        del request, client_address
        log.debug("a scrape ended early")


class _Handler(BoundedHandler):
    timeout = REQUEST_SECONDS
    server: _Server

    def do_GET(self) -> None:  # noqa: N802  the name that http.server asks for
        """Answer with a body."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:  # noqa: N802  as above
        """Answer without one."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        try:
            status, content_type, body = self.server.answer(
                self.path, self.headers.get("accept", "")
            )
        except Exception:
            log.exception("a scrape failed")
            status, content_type, body = 500, "text/plain", b"the log says more\n"
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)
