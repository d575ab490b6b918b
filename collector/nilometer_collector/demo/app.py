"""The demo's model server: a Starlette application with `NilometerMiddleware`."""

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from nilometer import NilometerMiddleware
from nilometer_collector.demo.model import OUTPUT, FlightModel
from nilometer_collector.demo.names import ENTITY, EVENT_TIME_HEADER, MODEL_VARIABLE

model = FlightModel.load(Path(os.environ[MODEL_VARIABLE]))


async def predict(request: Request) -> JSONResponse:
    """Respond with the probability that one flight is late."""
    return JSONResponse({OUTPUT: model.late_probability(await request.json())})


async def healthz(_: Request) -> JSONResponse:
    """Respond, to show that the server is running."""
    return JSONResponse({"status": "ok"})


app = Starlette(
    routes=[Route("/predict", predict, methods=["POST"]), Route("/healthz", healthz)],
)
app.add_middleware(NilometerMiddleware, entity=ENTITY, event_time_header=EVENT_TIME_HEADER)
