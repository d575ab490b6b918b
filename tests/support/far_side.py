"""A collector that records requests and sends replies that a test chooses."""

from concurrent.futures import ThreadPoolExecutor

import grpc

from nilometer.alert import Alerter
from nilometer.profile import Reference, SummarySample
from nilometer.wire.alerts import evaluation_from_wire, plan_to_wire
from nilometer.wire.references import reference_to_wire
from nilometer.wire.samples import sample_from_wire
from nilometer.wire.services import (
    CollectorServiceServicer,
    GetPlanRequest,
    Plan,
    ShipReply,
    ShipRequest,
    serve_collector,
)


class FarSide(CollectorServiceServicer):
    """A fake collector that counts each (agent, epoch, sequence) once, like the real one."""

    def __init__(self) -> None:
        self.references: list[Reference] = []
        self.alerters: list[Alerter] = []
        self.samples: dict[tuple[str, bytes, int], SummarySample] = {}
        self.evaluations: dict[tuple[str, bytes, int], object] = {}
        self.repeated = 0
        self.plans_known = 0  # requests of agents that already have the plan
        self.failures_to_come = 0  # number of calls to refuse before anything is stored
        self.replies_to_lose = 0  # number of calls to store and then refuse
        self._server = grpc.server(ThreadPoolExecutor(4))
        serve_collector(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def Ship(self, request: ShipRequest, context: grpc.ServicerContext) -> ShipReply:
        if self.failures_to_come:
            self.failures_to_come -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "told to")
        for row in request.rows:
            key = (request.agent, request.epoch, row.sequence)
            if key in self.samples or key in self.evaluations:
                self.repeated += 1
            elif row.HasField("sample"):
                self.samples[key] = sample_from_wire(row.sample)
            else:
                self.evaluations[key] = evaluation_from_wire(row.evaluation)
        if self.replies_to_lose:
            self.replies_to_lose -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "lost on the way")
        return ShipReply()

    def GetPlan(self, request: GetPlanRequest, context: grpc.ServicerContext) -> Plan:
        plan = plan_to_wire([*map(reference_to_wire, self.references)], self.alerters)
        plan.judges = False  # like an older collector, so that agents send their evaluations
        if plan.version != request.version:
            return plan
        self.plans_known += 1
        return Plan(version=plan.version, unchanged=True)

    def seen(self, entity: str) -> int:
        """Return the number of observations of *entity* in all received samples."""
        return sum(
            sample.coverage.seen
            for sample in self.samples.values()
            if sample.entity == entity and sample.summary == "service"
        )

    def stop(self) -> None:
        self._server.stop(0).wait()
