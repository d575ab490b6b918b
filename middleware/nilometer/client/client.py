"""The synchronous client of a collector."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from nilometer.client.asked import Measures, exact_name, selection, span_parameters
from nilometer.client.connection import Connection, Sender
from nilometer.client.request import Conversation
from nilometer.client.spans import Duration, LabelValues, Time
from nilometer.settings.collector_url import DEFAULT_URL
from nilometer.settings.credentials import Credentials
from nilometer.values.clock import SystemClock

if TYPE_CHECKING:
    from nilometer.client.answers import (
        EntityStatus,
        Episode,
        Logged,
        Maturity,
        Reported,
        SummaryStatus,
        TruthAnswer,
        TruthStatus,
    )
    from nilometer.client.report import Report
    from nilometer.client.samples import Samples
    from nilometer.client.series_table import SeriesTable

TIMEOUT_SECONDS = 30.0
ATTEMPTS = 3

T = TypeVar("T")
_CLOCK = SystemClock()


class Client:
    """A collector's HTTP API.

    Use it in a ``with`` block, or call `close`.

    Args:
        url: URL of the collector, without a path.
        token_file: File with a bearer token; it is read at each request, so it may be rotated.
        tls_ca: CA certificates to trust, PEM; ``system`` or empty for those of the machine.
        tls_certificate: Client certificate with its chain, PEM.
        tls_key: Private key of *tls_certificate*, PEM.
        timeout_seconds: Time to wait for a whole response, > 0 and finite. While headers
            arrive, it limits each wait for the next part of them.
        attempts: Attempts for a request that only reads, >= 1. Other requests are sent once.

    Raises:
        ConfigError: If an argument is not allowed, or a token would be sent without TLS to another
            machine.
        ModuleNotFoundError: If httpx is not installed: ``pip install 'nilometer[client]'``.

    Thread-safe.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token_file: str = "",
        tls_ca: str = "",
        tls_certificate: str = "",
        tls_key: str = "",
        timeout_seconds: float = TIMEOUT_SECONDS,
        attempts: int = ATTEMPTS,
    ) -> None:
        files = Credentials(ca=tls_ca, certificate=tls_certificate, key=tls_key, token=token_file)
        connection = Connection(url, files, timeout_seconds, attempts)
        self.url = connection.url
        self._sender = Sender(connection)

    def entities(self) -> "list[EntityStatus]":
        """Return all entities that the token may read, by name.

        Raises:
            RequestFailed: If the collector does not answer, or refuses.
        """
        from nilometer.client import conversations

        return self.run(conversations.entities())

    def entity(self, name: str) -> "Entity":
        """Return the entity *name*, without asking the collector whether it exists."""
        return Entity(self, name)

    def log(self, rows: Sequence[Mapping[str, Any]], *, source: str | None = None) -> "Logged":
        """Store samples of summaries that a job measures itself.

        Args:
            rows: Samples in the form of ``POST /api/v1/samples`` (docs/logging.md), at most 1,000.
            source: Name of this call, 32 hexadecimal digits. Rows that are sent twice with the
                same name are stored once; without a name they are stored each time.

        Raises:
            Problem: If a row is refused; `rows` lists the refused ones, and the others are stored.
            RequestFailed: If the collector does not answer. It may have stored the rows.
            ValueError: If a row cannot be written as JSON.
        """
        from nilometer.client import conversations

        return self.run(conversations.log(rows, source))

    def report(
        self,
        entity: str,
        alerter: str,
        reports: "Report | Sequence[Report]",
        *,
        end: datetime | None = None,
    ) -> "Reported":
        """Store the status that a program measured itself, for an alerter of kind REPORTED.

        Args:
            entity: Name of the entity.
            alerter: Name of the alerter.
            reports: Report, or a list of at most 100 for different summaries or labels.
            end: End of the interval, with a time zone; None for the last whole one.

        Raises:
            Problem: If there is no such alerter, or a report is not allowed.
            RequestFailed: If the collector does not answer. It may have stored the reports.
        """
        from nilometer.client import conversations

        return self.run(conversations.report(entity, alerter, reports, end))

    def run(self, conversation: Conversation[T]) -> T:
        """Send the requests of *conversation*, and return its result.

        Raises:
            RequestFailed: If a request fails.
        """
        try:
            request = next(conversation)
            while True:
                request = conversation.send(self._sender.send(request))
        except StopIteration as end:
            result: T = end.value
            return result

    def close(self) -> None:
        """Close all connections. May be called twice."""
        self._sender.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Entity:
    """A monitored entity at a collector.

    Args:
        client: Client to ask.
        name: Name of the entity.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name

    def __repr__(self) -> str:
        return f"<Entity {self.name} at {self._client.url}>"

    def summary(self, name: str) -> "Summary":
        """Return the summary *name*, without asking the collector whether it exists.

        Raises:
            ConfigError: If the name is a pattern.
        """
        return Summary(self._client, self.name, exact_name(name))

    def status(self) -> "EntityStatus":
        """Return the entity's health, and the times of its first and newest window.

        Raises:
            NotFound: If the entity does not exist.
            RequestFailed: If the collector does not answer, or refuses.
        """
        from nilometer.client import conversations

        return self._client.run(conversations.status(self.name))

    def summaries(self) -> "list[SummaryStatus]":
        """Return the summaries of the entity, ``service`` first.

        Raises:
            RequestFailed: If the collector does not answer, or refuses.
        """
        from nilometer.client import conversations

        return self._client.run(conversations.summaries(self.name))

    def episodes(self, *, is_open: bool | None = None) -> "list[Episode]":
        """Return the episodes of the entity, newest first.

        Args:
            is_open: Whether the episodes are open; None for all of them.

        Raises:
            RequestFailed: If the collector does not answer, or refuses.
        """
        from nilometer.client import conversations

        return self._client.run(conversations.episodes(self.name, is_open=is_open))

    def ground_truth(
        self,
        rows: "Sequence[Mapping[str, Any]]",
        *,
        source: str | None = None,
        chunk: int = 1,
        position: int = 0,
    ) -> "TruthAnswer":
        """Join ground truth with the logged predictions of the entity (docs/ground-truth.md).

        Args:
            rows: At most 5,000 rows with ``value``, and with ``id``, or ``subject`` and ``time``.
            source: Name of the file or sender, 32 hexadecimal digits. A chunk of one source and
                number is joined once. None gives the rows a source of their own.
            chunk: Number of these rows in the source, from 1.
            position: Place in the source after these rows, which `ground_truth_status` returns.

        Raises:
            Problem: If the collector refuses the rows, such as without a declared performance.
            RequestFailed: If the collector does not answer. The same call is safe to repeat.
            ValueError: If a row cannot be written as JSON.
        """
        from nilometer.client import conversations

        return self._client.run(
            conversations.ground_truth(self.name, rows, source, chunk, position)
        )

    def ground_truth_status(self, source: str | None = None) -> "TruthStatus":
        """Return what became of all ground truth of the entity.

        Args:
            source: Name of a source whose progress is returned, 32 hexadecimal digits.

        Raises:
            RequestFailed: If the collector does not answer, or refuses.
        """
        from nilometer.client import conversations

        return self._client.run(conversations.ground_truth_status(self.name, source))

    def maturity(
        self,
        *,
        last: Duration | None = None,
        start: Time | None = None,
        end: Time | None = None,
        labels: LabelValues | None = None,
    ) -> "Maturity":
        """Return how much ground truth has arrived, by window of performance.

        Args:
            last: Length of the time until now, such as ``7d``; instead of *start* and *end*.
            start: Start of the time; None for the oldest window.
            end: End of the time; None for the newest window.
            labels: Labels that a label set must have; values of one key are alternatives.

        Raises:
            ConfigError: If an argument is not allowed.
            RequestFailed: If the collector does not answer, or refuses.
        """
        from nilometer.client import conversations

        span = span_parameters(_CLOCK, last=last, start=start, end=end, step=None, is_divided=False)
        asked = [*selection((), labels, None, ()), *span]
        return self._client.run(conversations.maturity(self.name, asked))

    def query(
        self,
        *summaries: str,
        last: Duration | None = None,
        start: Time | None = None,
        end: Time | None = None,
        step: Duration | None = None,
        labels: LabelValues | None = None,
        not_labels: LabelValues | None = None,
        by: str | Sequence[str] = (),
        measures: Measures | None = None,
    ) -> "SeriesTable":
        """Return points that the collector computes, of many summaries.

        Args:
            summaries: Names, or patterns such as ``input.*``.
            last: Length of the time until now, such as ``24h``; instead of *start* and *end*.
            start: Start of the time; None for the oldest window.
            end: End of the time; None for the newest window.
            step: Length of the windows of the points; None for one point over the whole time.
            labels: Labels that a label set must have; values of one key are alternatives.
            not_labels: Labels that it must not have.
            by: Label key, or label keys, whose values become separate series; all other labels are merged.
            measures: Values of each point; None for the median.

        Raises:
            ConfigError: If an argument is not allowed.
            RequestFailed: If the collector does not answer, or refuses.
        """
        from nilometer.client import conversations

        span = span_parameters(_CLOCK, last=last, start=start, end=end, step=step, is_divided=False)
        shown = (measures or Measures(quantiles=(0.5,))).parameters()
        asked = [*selection(summaries, labels, not_labels, by), *span, *shown]
        return self._client.run(conversations.table(self.name, asked))


class Summary:
    """A summary of an entity at a collector.

    Args:
        client: Client to ask.
        entity: Name of the entity.
        name: Name of the summary.
    """

    def __init__(self, client: Client, entity: str, name: str) -> None:
        self._client = client
        self.entity = entity
        self.name = name

    def __repr__(self) -> str:
        return f"<Summary {self.name} of {self.entity} at {self._client.url}>"

    def samples(
        self,
        *,
        last: Duration | None = None,
        start: Time | None = None,
        end: Time | None = None,
        step: Duration | None = None,
        labels: LabelValues | None = None,
        not_labels: LabelValues | None = None,
        by: str | Sequence[str] = (),
    ) -> "Samples":
        """Return the samples of a time with their sketches, one for each window.

        Args:
            last: Length of the time until now, such as ``24h``; instead of *start* and *end*.
            start: Start of the time; None for the oldest window.
            end: End of the time; None for the newest window. Windows that overlap the time are
                complete, so the samples may begin before *start* and end after *end*.
            step: Length of the windows; None for the shortest that gives at most 400 of them.
            labels: Labels that a label set must have; values of one key are alternatives.
            not_labels: Labels that it must not have.
            by: Label key, or label keys, to keep; the samples of all other labels are merged.

        Raises:
            ConfigError: If an argument is not allowed.
            RequestFailed: If the collector does not answer, or refuses.
        """
        from nilometer.client import conversations

        span = span_parameters(_CLOCK, last=last, start=start, end=end, step=step, is_divided=True)
        asked = [*selection((), labels, not_labels, by), *span]
        return self._client.run(conversations.samples(self.entity, self.name, asked))
