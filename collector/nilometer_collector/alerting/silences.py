"""Declared silences: times in which no message about some episodes is sent.

A declared silence silences an episode as a person does (`alerting.decisions`). A repeated one uses the
maintenance windows of alerters (`nilometer.alert.times`).
"""

from collections.abc import Sequence
from datetime import tzinfo
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from nilometer.alert import Maintenance, Repeat
from nilometer.values.clock import NANOSECONDS
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.time_zone import zone_named
from nilometer.values.times import time_iso
from nilometer_collector.alerting.decisions import MOST_REASON_CHARACTERS, MOST_SECONDS
from nilometer_collector.alerting.receivers import ObjectName
from nilometer_collector.alerting.routes import Pattern, Patterns
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, SAYS_SOMETHING
from nilometer_collector.limits.moments import Time, nanoseconds_of

KIND = "silence"  # name of the kind among declared objects

Reason: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=MOST_REASON_CHARACTERS // 2, pattern=SAYS_SOMETHING)
]


class SilenceDefinition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A silence as a user writes it.

    Attributes:
        entity: Pattern of the entities whose episodes are silenced.
        name: Name of the silence, unique for this pattern.
        start: Start, an ISO 8601 time (UTC if it has no zone) or Unix seconds; of the first time if
            it repeats.
        until: End, in the same forms.
        reason: Reason, which the episode shows.
        summaries: Patterns over names of summaries. Every part of the episode that is open must
            match one.
        labels: Pattern for each label key that each of these parts must have.
        repeat: ``daily`` or ``weekly`` to start and end at the same local times again; empty for once.
        time_zone: IANA name of the zone of these local times.
    """

    entity: Pattern
    name: ObjectName
    start: Time = msgspec.field(name="from")
    until: Time
    reason: Reason
    summaries: Patterns = msgspec.field(default_factory=lambda: ["*"])
    labels: Annotated[dict[Pattern, Pattern], Meta(max_length=16)] = {}
    repeat: Literal["", "daily", "weekly"] = ""
    time_zone: str = "UTC"

    def with_plain_times(self) -> "SilenceDefinition":
        """Return the silence with both times in UTC, as RFC 3339 to the second.

        Raises:
            ConfigError: If a time or the time zone is not allowed; the message begins with the key.
        """
        start_ns, end_ns = nanoseconds_of("from", self.start), nanoseconds_of("until", self.until)
        if end_ns <= start_ns:
            raise ConfigError(f"until = {self.until!r}: must be after `from`")
        if end_ns - start_ns > MOST_SECONDS * NANOSECONDS:
            raise ConfigError(f"until = {self.until!r}: must be at most 366 days after `from`")
        try:
            zone_named(self.time_zone)
        except ValueError as error:
            raise ConfigError(
                f"time_zone = {self.time_zone[:MAX_NAME_CHARACTERS]!r}: {error}"
            ) from error
        wrong = self._maintenance(start_ns, end_ns).wrong()
        if wrong is not None:
            raise ConfigError(f"until = {self.until!r}: must be {wrong.allowed}")
        return msgspec.structs.replace(self, start=time_iso(start_ns), until=time_iso(end_ns))

    def end_ns(self, at_ns: int) -> int | None:
        """Return the end of the silence that holds at *at_ns*; None if none does.

        Args:
            at_ns: Wall time, Unix nanoseconds.
        """
        start_ns, end_ns = nanoseconds_of("from", self.start), nanoseconds_of("until", self.until)
        found = self._maintenance(start_ns, end_ns).time_at(at_ns, self._zone)
        return None if found is None else found[1]

    def has_ended(self, now_ns: int) -> bool:
        """Return whether it never holds again."""
        return not self.repeat and nanoseconds_of("until", self.until) <= now_ns

    def covers(self, entity: str, parts: Sequence[tuple[str, Labels]]) -> bool:
        """Return whether it is about an episode.

        Args:
            entity: Entity of the episode.
            parts: Summary and labels of each of its open parts; at least one.
        """
        return fnmatchcase(entity, self.entity) and all(
            self._covers(summary, labels.as_dict()) for summary, labels in parts
        )

    def _covers(self, summary: str, labels: dict[str, str]) -> bool:
        return any(fnmatchcase(summary, each) for each in self.summaries) and all(
            key in labels and fnmatchcase(labels[key], wanted)
            for key, wanted in self.labels.items()
        )

    def _maintenance(self, start_ns: int, end_ns: int) -> Maintenance:
        return Maintenance(start_ns=start_ns, end_ns=end_ns, repeat=Repeat(self.repeat))

    @property
    def _zone(self) -> tzinfo:
        return zone_named(self.time_zone)
