"""Profiling in the agent: batches go out as packed bytes and are parsed there."""

import time
from collections.abc import Mapping, Sequence

from nilometer.capture.link import AgentLink
from nilometer.capture.observation import pack
from nilometer.capture.pack import Packer, with_spoilt
from nilometer.capture.settings import CaptureSettings
from nilometer.capture.sink import Plain
from nilometer.reasons import DropReason
from nilometer.wire.services import CaptureBatch


class OutsideOutlet:
    """Packs captured requests and sends them."""

    def __init__(self, settings: CaptureSettings, link: AgentLink) -> None:
        self._settings = settings
        self._link = link
        self._packer = Packer(settings)

    def hand_on(self, batch: Sequence[Plain], dropped: Mapping[DropReason, int]) -> None:
        """Send one batch."""
        arrays, spoilt = self._packer.pack_all(batch)
        message = CaptureBatch(
            entity=self._settings.entity,
            labels=self._settings.labels,
            event_time_field=self._settings.event_time_field,
            count=len(arrays),
            dropped=with_spoilt(dropped, spoilt),
        )
        if arrays:
            message.observations = pack(arrays)
        if message.dropped:
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
