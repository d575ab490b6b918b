"""The part of a middleware that does not depend on its protocol: settings, worker, place."""

from nilometer.capture.exchange import Exchange
from nilometer.capture.nesting import behind, enter, is_added, join, outer_of
from nilometer.capture.types import Environ, Scope
from nilometer.handoff.guard import Guard
from nilometer.handoff.settings import CaptureSettings
from nilometer.handoff.worker import Worker
from nilometer.values.request_rules import RequestRules


class Observer:
    """Observes one application, unless an inner or outer middleware observes it."""

    _kind: type[Exchange]  # of the exchanges of this middleware

    def _open(
        self, settings: CaptureSettings | None, options: frozenset[str], *, added: bool
    ) -> None:
        """Prepare for observation.

        Args:
            settings: Valid settings; None turns observation off.
            options: Names of the settings that the code gives.
            added: Whether `nilometer run` added the middleware.
        """
        self._worker = Worker(settings, Guard()) if settings else Worker.idle()
        self._exclude = RequestRules.of(settings.exclude if settings else ())
        self._excluded = self._exclude.paths
        self._has_rules = bool(self._exclude.others)
        self._cap = settings.body_cap if settings else 0
        self._stall_seconds = settings.stall_seconds if settings else 0.0
        self._wants_query = bool(settings and settings.query_parameters)
        self._id_header = (settings.return_prediction_id if settings else "").lower().encode()
        self._wants_route = settings is not None and settings.wants_route
        self._wants_more = self._wants_query or bool(self._id_header) or self._wants_route
        self._named = settings is not None and "entity" in options
        self._written = settings is not None and bool(options)
        self._unmarked = join(self._worker, added=added) if settings else 0

    def _gives_way(self, request: Scope | Environ, path: str, server: object) -> bool:
        """Return whether a middleware around this one observes the request.

        If this middleware observes the request, the outer one is told not to. Called only if the
        process has several middlewares.

        Args:
            request: Scope or environ.
            path: Path of the request.
            server: Function of the server, such as `receive`, possibly wrapped by other code.
        """
        try:
            outer = outer_of(request, self._kind, self._line(request, path))
            if outer is None and self._unmarked > 0:
                self._unmarked -= 1
                outer = behind(server)
            if outer is None:
                return False
            if self._named or (self._written and is_added(outer)):
                outer.with_more().inside = True
                return False
        except Exception as error:  # monitoring must never fail a prediction
            self._worker.note(error)
            return False
        return True

    def _enter(self, request: Scope | Environ, path: str, exchange: Exchange) -> None:
        enter(request, exchange, self._line(request, path))

    def _line(self, request: Scope | Environ, path: str) -> tuple[str, str]:
        """Return the method and the path of a request."""
        return request.get("method") or request.get("REQUEST_METHOD") or "", path
