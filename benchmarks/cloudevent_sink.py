"""HTTP sinks for CloudEvents, as peers of the agent's frame socket. They store nothing.

``/events`` accepts the events of KServe's inference logger: one for the request and one for the
response. The CloudEvents SDK parses them, and they are joined by id. ``/bare`` is a lower bound for
such a sink: it accepts one event with both bodies, and checks its attributes without parsing them.
Both decode and profile in the same way as the agent, in batches of 256.
"""

from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nilometer.profile import FeatureSpec, Profile
from nilometer.profile.service import ServiceProfile
from nilometer.profiling.observation import Observation
from nilometer.profiling.profiling import Profiling
from nilometer.values.labels import Labels
from nilometer.values.window import Window

BATCH = 256
JSON = "application/json"
ENTITY = "benched"
MINUTE_NS = 60 * 10**9
REQUEST_TYPE = "org.kubeflow.serving.inference.request"
RESPONSE_TYPE = "org.kubeflow.serving.inference.response"
REQUIRED = ("ce-id", "ce-source", "ce-type", "ce-specversion")


class Exchange(msgspec.Struct, gc=False):
    """The data of an event that contains both bodies."""

    request: msgspec.Raw
    response: msgspec.Raw


_decode = msgspec.json.Decoder(Exchange).decode
_profiling = Profiling(ENTITY, Labels(), MINUTE_NS)
_bare: list[Observation] = []
_requests: dict[str, dict[str, Any]] = {}  # requests that wait for their response
_joined: list[tuple[dict[str, Any], dict[str, Any]]] = []
_profile = Profile(ENTITY, Labels(), Window(0, MINUTE_NS))
_counted = {"events": 0}


async def bare(request: Request) -> Response:
    """Receive one event with both bodies."""
    headers = request.headers
    if not all(name in headers for name in REQUIRED):
        return Response(status_code=400)
    arrival_ns = int(datetime.fromisoformat(headers["ce-time"]).timestamp() * 1e9)
    exchange = _decode(await request.body())
    inputs, output = bytes(exchange.request), bytes(exchange.response)
    head = (arrival_ns, 0.012, 200, "ok", "POST", "/predict", len(inputs), len(output))
    _bare.append(Observation(*head, JSON, "", JSON, "", inputs, output))
    if len(_bare) == BATCH:
        _profiling.observe(_bare)
        _bare.clear()
    return Response(status_code=202)


async def event(request: Request) -> Response:
    """Receive the event of a request or of a response."""
    found = from_binary_event(HTTPMessage(dict(request.headers), await request.body()))
    identity, data = found.get_id(), found.get_data()
    if not isinstance(data, dict):
        return Response(status_code=400)
    if found.get_type() == REQUEST_TYPE:
        _requests[identity] = data
    elif identity in _requests:
        _joined.append((_requests.pop(identity), data))
        if len(_joined) == BATCH:
            _observe_joined()
    return Response(status_code=202)


def _observe_joined() -> None:
    for side, rows in zip(("input", "output"), zip(*_joined, strict=True), strict=True):
        for name in rows[0]:
            column = np.array([row[name] for row in rows], dtype=np.float64)
            _profile.feature(f"{side}.{name}", lambda _: FeatureSpec()).observe(column)
    count = len(_joined)
    nothing = [0] * count
    _profile.observe_service(
        ServiceProfile.of(
            outcomes={"ok": count},
            statuses={"200": count},
            latencies=nothing,
            request_sizes=nothing,
            response_sizes=nothing,
        )
    )
    _counted["events"] += count
    _joined.clear()


async def profiled(request: Request) -> Response:
    """Respond with the number of requests that were profiled since the last call."""
    del request
    found = sum(profile.coverage.profiled for profile in _profiling.take())
    found += _counted["events"]
    _counted["events"] = 0
    return Response(str(found))


app = Starlette(
    routes=[
        Route("/events", event, methods=["POST"]),
        Route("/bare", bare, methods=["POST"]),
        Route("/profiled", profiled),
    ]
)
