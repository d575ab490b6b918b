"""An agent that keeps what it is sent: unpacked observations, each (worker, sequence) once."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from nilometer.profiling.observation import Observation, unpack
from nilometer.wire.services import (
    AgentServiceServicer,
    CaptureAcknowledgement,
    CaptureBatch,
    serve_agent,
)


class FakeAgent(AgentServiceServicer):
    def __init__(self, socket_path: Path) -> None:
        self.observations: list[Observation] = []
        self.dropped: Counter[str] = Counter()
        self.partials = 0  # observations in deltas of workers that profile themselves
        self.workers: dict[bytes, int] = {}  # worker -> observations
        self._seen: set[tuple[bytes, int]] = set()
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(32))
        serve_agent(self, self._server)
        self._server.add_insecure_port(f"unix:{socket_path}")
        self._server.start()
        self.address = f"unix:{socket_path}"

    def Capture(
        self, request_iterator: Iterator[CaptureBatch], context: grpc.ServicerContext
    ) -> Iterator[CaptureAcknowledgement]:
        for batch in request_iterator:
            with self._lock:
                if (batch.worker, batch.sequence) not in self._seen:
                    self._seen.add((batch.worker, batch.sequence))
                    if batch.observations:
                        self.observations += unpack(batch.observations)
                    if batch.partials:
                        self.partials += batch.count
                    self.dropped.update(batch.dropped)
                    before = self.workers.get(batch.worker, 0)
                    self.workers[batch.worker] = before + batch.count
            yield CaptureAcknowledgement(sequence=batch.sequence)

    def stop(self) -> None:
        self._server.stop(0).wait(2)
