"""The agent's answers to gRPC health checks."""

from grpc_health.v1 import health, health_pb2

from nilometer_agent.engine.engine import Engine
from nilometer_agent.outbox.buffer import Buffer

SERVICE = "nilometer.v1.AgentService"  # accepts batches
DURABLE = "nilometer.v1.Durable"  # stores acknowledged batches on disk


class Health:
    """Reports whether the agent is alive, accepts batches, and stores them durably.

    Args:
        engine: Engine; the agent is alive while the engine works.
        buffer: Outbox; the agent is durable while the outbox is on disk.
    """

    def __init__(self, engine: Engine, buffer: Buffer) -> None:
        self._engine = engine
        self._buffer = buffer
        self.servicer = health.HealthServicer()

    def refresh(self) -> None:
        """Update the answers from the state of engine and buffer."""
        alive = self._engine.works
        states = {"": alive, SERVICE: alive, DURABLE: alive and self._buffer.durable}
        for name, serving in states.items():
            answer = health_pb2.HealthCheckResponse
            self.servicer.set(name, answer.SERVING if serving else answer.NOT_SERVING)

    def leave(self) -> None:
        """Answer "not serving" from now on, permanently."""
        self.servicer.enter_graceful_shutdown()
