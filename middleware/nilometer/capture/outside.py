"""Profiling in the agent: batches go out as packed bytes and are parsed there."""

import time
from collections.abc import Sequence

from nilometer.capture.link import AgentLink
from nilometer.capture.observation import pack
from nilometer.capture.pack import packed
from nilometer.capture.settings import CaptureSettings
from nilometer.capture.sink import Captured
from nilometer.reasons import DropReason
from nilometer.wire.services import CaptureBatch


class OutsideOutlet:
    """Packs captured requests and sends them."""

    def __init__(self, settings: CaptureSettings, link: AgentLink) -> None:
        self._settings = settings
        self._link = link
        self._header = settings.event_time_header.lower().encode("latin-1")

    def hand_on(self, batch: Sequence[Captured], dropped: int) -> None:
        """Send one batch."""
        message = CaptureBatch(
            entity=self._settings.entity,
            labels=self._settings.labels,
            event_time_field=self._settings.event_time_field,
        )
        if batch:
            message.observations = pack([packed(captured, self._header) for captured in batch])
        if dropped:
            message.dropped[DropReason.QUEUE_FULL.value] = dropped
            message.dropped_unix_nano = batch[-1][0] if batch else time.time_ns()
        self._link.send(message, len(batch))

    def has_room(self) -> bool:
        """Whether the link keeps another batch."""
        return self._link.has_room()

    def tend(self) -> None:
        """Keep the link open."""
        self._link.tend()

    def finish(self, deadline: float) -> int:
        """Wait for the last acknowledgement."""
        return self._link.finish(deadline)
