"""Sends packed observations to the agent, which parses and profiles them."""

import time
from collections.abc import Mapping, Sequence

from nilometer.handoff.link import AgentLink
from nilometer.handoff.linked import LinkedOutlet
from nilometer.handoff.pack import batch_of, with_spoilt
from nilometer.handoff.settings import CaptureSettings
from nilometer.values.reasons import DropReason
from nilometer.wire.frames import Batch


class RawOutlet(LinkedOutlet):
    """An outlet that sends packed observations, which the agent profiles."""

    def __init__(self, settings: CaptureSettings, link: AgentLink) -> None:
        super().__init__(link)
        self._settings = settings
        self._redaction = settings.redaction()

    def send_batch(self, batch: Sequence[bytes], dropped: Mapping[DropReason, int]) -> None:
        """Send one batch."""
        kept = batch if self._redaction is None else self._redaction.redacted_all(batch)
        lost = with_spoilt(dropped, len(batch) - len(kept))
        message = Batch(
            entity=self._settings.entity,
            labels=self._settings.labels,
            event_time_field=self._settings.event_time_field,
            event_time_unit=self._settings.event_time_unit,
            event_time_zone=self._settings.event_time_zone,
            include=[*self._settings.include],
            count=len(kept),
            dropped=lost,
        )
        if kept:
            message.observations = batch_of(kept)
        if lost:
            message.dropped_unix_nano = time.time_ns()
        self._link.send(message, len(batch))

    def poll(self) -> None:
        """Keep the link open."""
        self._link.poll()

    def finish(self, deadline: float) -> int:
        """Wait for the last acknowledgement."""
        return self._link.finish(deadline)
