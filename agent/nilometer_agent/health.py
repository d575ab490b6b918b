"""The agent's answers to gRPC health checks."""

from grpc_health.v1 import health, health_pb2

from nilometer_agent.engine.engine import Engine
from nilometer_agent.outbox.buffer import Buffer

SERVICE = "nilometer.v1.AgentService"  # takes batches
DURABLE = "nilometer.v1.Durable"  # what it acknowledges survives


class Health:
    """Says whether the agent is alive, takes batches, and stores them durably.

    Args:
        engine: Alive as long as it works.
        buffer: Durable as long as it is on disk.
    """

    def __init__(self, engine: Engine, buffer: Buffer) -> None:
        self._engine = engine
        self._buffer = buffer
        self.servicer = health.HealthServicer()

    def refresh(self) -> None:
        """Look at engine and buffer, and answer accordingly from now on."""
        alive = self._engine.works
        states = {"": alive, SERVICE: alive, DURABLE: alive and self._buffer.durable}
        for name, serving in states.items():
            answer = health_pb2.HealthCheckResponse
            self.servicer.set(name, answer.SERVING if serving else answer.NOT_SERVING)

    def leave(self) -> None:
        """Answer "not serving" for good."""
        self.servicer.enter_graceful_shutdown()
