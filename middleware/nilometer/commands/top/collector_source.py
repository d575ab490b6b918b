"""Polls a collector over its HTTP API, in a thread."""

import json
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NotRequired, TypedDict

from nilometer.commands.top.entities import EntityRow, undecodable_predictions
from nilometer.settings.collector_url import require_private_url, tls_context
from nilometer.settings.credentials import Credentials

COLLECTOR_SECONDS = 5.0  # longest wait for a response, and time between requests
WINDOW_SECONDS = 3600.0  # age above which the newest window is not shown
MAX_ENTITIES = 30  # limit of the entities whose newest windows are requested
MAX_ANSWER = 8 << 20  # bytes


# The fields of the collector's responses that are used.


class _EpisodeView(TypedDict):
    entity: str
    summary: str
    alerter: str
    severity: str
    value: float
    threshold: float
    opened: float
    evidence: str


class _CoverageView(TypedDict):
    profiled: int
    sampled_out: int
    dropped: Mapping[str, int]
    undecodable: Mapping[str, int]
    lost_inputs: NotRequired[Mapping[str, int]]  # missing in older collectors
    lost_outputs: NotRequired[Mapping[str, int]]


class _ServiceView(TypedDict):
    requests_per_second: float
    error_ratio: float | None
    latency_quantiles_seconds: Mapping[str, float | None]
    outcomes: Mapping[str, int]


class _SampleView(TypedDict):
    window_start: float
    window_end: float
    service: NotRequired[_ServiceView | None]
    coverage: _CoverageView


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """An open episode, as reported by the collector."""

    entity: str
    summary: str
    alerter: str
    severity: str
    value: float
    threshold: float
    opened: float  # Unix seconds
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorState:
    """The last state that a collector reported.

    Attributes:
        url: URL of the collector; empty without one.
        answered: Whether it has ever answered.
        reason: Reason why the last request failed; empty if it succeeded.
        entities: State of each entity by name, with the numbers of its newest window.
        open_episodes: Open episodes, newest first.
    """

    url: str = ""
    answered: bool = False
    reason: str = ""
    entities: Mapping[str, EntityRow] = field(default_factory=dict)
    open_episodes: Sequence[Episode] = ()


class CollectorSource:
    """Polls a collector's HTTP API.

    Args:
        url: URL of the collector, ``http://host:port``.
        credentials: Credentials of the caller; the token is read again for each request.
        seconds: Time between requests.
        windows: Whether to request the newest window of each entity, too.
        on_change: Function that is called after each response and each failure.

    Raises:
        ConfigError: If *url* is invalid or contains a token, or a file cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials,
        seconds: float,
        windows: bool,
        on_change: Callable[[], None],
    ) -> None:
        require_private_url(url, credentials)
        self._url = url.rstrip("/")
        self._credentials = credentials
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),  # the pod's own collector needs no proxy
            urllib.request.HTTPSHandler(context=tls_context(credentials)),
            _NoRedirect(),
        )
        self._seconds = max(seconds, COLLECTOR_SECONDS)
        self._windows = windows
        self._on_change = on_change
        self._state = CollectorState(url=self._url, reason="not asked yet")
        self._stop = threading.Event()
        self.asked = 0
        self._thread = threading.Thread(target=self._run, name="nilometer-top", daemon=True)

    def start(self) -> None:
        """Start to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; a request in progress may finish later."""
        self._stop.set()

    @property
    def state(self) -> CollectorState:
        """The newest state."""
        return self._state

    def _run(self) -> None:
        while not self._stop.is_set():
            before = self._state
            try:
                self._state = self._ask()
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                self._state = CollectorState(
                    url=self._url,
                    answered=before.answered,
                    reason=_why(error),
                    entities=before.entities,
                    open_episodes=before.open_episodes,
                )
            self.asked += 1
            self._on_change()
            self._stop.wait(self._seconds)

    def _ask(self) -> CollectorState:
        entities = self._get("entities")["entities"]
        episodes = self._get("episodes", open="true")["episodes"]
        found: dict[str, EntityRow] = {}
        for position, entity in enumerate(entities):
            ask = self._windows and position < MAX_ENTITIES and entity["last_seen"] is not None
            window = self._newest(entity["name"], entity["last_seen"]) if ask else None
            found[str(entity["name"])] = replace(
                _windowed(str(entity["name"]), window),
                health=str(entity["health"]),
                open_episodes=int(entity["open_episodes"]),
                total=int(entity["observations"]),
            )
        return CollectorState(
            url=self._url,
            answered=True,
            entities=found,
            open_episodes=[_episode(episode) for episode in episodes],
        )

    def _newest(self, entity: str, last_seen: float) -> _SampleView | None:
        samples: Sequence[_SampleView] = self._get(
            "samples", entity=entity, summary="service", start=str(last_seen - WINDOW_SECONDS)
        )["samples"]
        return samples[-1] if samples else None

    def _get(self, path: str, **query: str) -> Any:
        request = urllib.request.Request(  # noqa: S310  http or https, as checked
            f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}",
            headers={"accept": "application/json"},
        )
        if token := self._credentials.bearer():
            require_private_url(self._url, self._credentials)
            request.add_header("authorization", f"Bearer {token}")
        with self._opener.open(request, timeout=COLLECTOR_SECONDS) as answer:
            body = answer.read(MAX_ANSWER + 1)
        if len(body) > MAX_ANSWER:
            raise ValueError(f"a response of more than {MAX_ANSWER >> 20} MiB")
        return json.loads(body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, so that the token is sent to the collector only."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Return None, so that no redirect is followed."""


def _why(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        match error.code:
            case 401:
                return "token required (401): set --token-file"
            case 403:
                return "the token has no right to read (403)"
            case code:
                return f"HTTP status {code}"
    if isinstance(error, urllib.error.URLError):
        cause = error.reason
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"invalid certificate: {cause.verify_message}: set --tls-ca"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        return str(cause)
    if isinstance(error, TimeoutError):
        return "no response in time"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "the response is not from a collector"


def _windowed(name: str, window: _SampleView | None) -> EntityRow:
    service = None if window is None else window.get("service")
    if window is None or not isinstance(service, dict):
        return EntityRow(name=name, windowed=True)
    coverage = window["coverage"]
    seconds = max(float(window["window_end"] - window["window_start"]), 1.0)
    undecodable = _counts(coverage["undecodable"])
    dropped = _counts(coverage["dropped"])
    lost = undecodable_predictions(undecodable)
    covered = int(coverage["profiled"]) + int(coverage["sampled_out"])
    seen = covered + sum(dropped.values()) + lost
    quantiles = service["latency_quantiles_seconds"]
    return EntityRow(
        name=name,
        windowed=True,
        requests=float(service["requests_per_second"]),
        error_ratio=_number(service["error_ratio"]),
        p50=_number(quantiles.get("0.5")),
        p99=_number(quantiles.get("0.99")),
        coverage=covered / seen if seen else None,
        dropped=sum(dropped.values()) / seconds,
        dropped_total=dropped,
        undecodable=lost / seconds,
        undecodable_total=undecodable,
        lost_inputs=_counts(coverage.get("lost_inputs", {})),
        lost_outputs=_counts(coverage.get("lost_outputs", {})),
        outcomes=_counts(service["outcomes"]),
    )


def _counts(view: Mapping[str, int]) -> dict[str, int]:
    return {str(key): int(count) for key, count in view.items()}


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _episode(view: _EpisodeView) -> Episode:
    return Episode(
        entity=str(view["entity"]),
        summary=str(view["summary"]),
        alerter=str(view["alerter"]),
        severity=str(view["severity"]),
        value=float(view["value"]),
        threshold=float(view["threshold"]),
        opened=float(view["opened"]),
        evidence=str(view["evidence"]),
    )
