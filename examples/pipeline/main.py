"""Three linked services: a sensor, a comfort index, and an advice for the heating.

Each service calls the next one and names itself in a header, so the collector learns the edges:

    uvicorn main:sensor --port 8001
    uvicorn main:comfort --port 8002
    uvicorn main:advice --port 8003
"""

import os
from collections.abc import Callable

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from nilometer import NilometerMiddleware

EVENT_TIME = "x-event-time"
COMFORT_URL = os.environ.get("COMFORT_URL", "http://127.0.0.1:8002/predict")
ADVICE_URL = os.environ.get("ADVICE_URL", "http://127.0.0.1:8003/predict")
Model = Callable[[Request, dict[str, float]], dict[str, float]]


def temperature(request: Request, reading: dict[str, float]) -> dict[str, float]:
    """Return degrees Celsius; firmware 2 returns degrees Fahrenheit, and says so nowhere."""
    celsius = reading["millivolts"] / 10
    return {
        "temperature": celsius * 1.8 + 32 if request.headers.get("x-firmware") == "2" else celsius
    }


def index(_: Request, air: dict[str, float]) -> dict[str, float]:
    """Return the felt temperature."""
    return {"index": 1.1 * air["temperature"] - 1.5}


def heating(_: Request, felt: dict[str, float]) -> dict[str, float]:
    """Return the share of the heating's power."""
    return {"heating": min(max((24 - felt["index"]) / 10, 0.0), 1.0)}


def service(entity: str, model: Model, next_url: str = "") -> Starlette:
    """Return an application that answers with the output of *model*, and sends it to the next one."""
    client = httpx.AsyncClient(timeout=30, trust_env=False)

    async def predict(request: Request) -> JSONResponse:
        output = model(request, await request.json())
        if next_url:
            headers = {
                "x-nilometer-entity": entity,
                EVENT_TIME: request.headers.get(EVENT_TIME, ""),
            }
            await client.post(next_url, json=output, headers=headers)
        return JSONResponse(output)

    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    app.add_middleware(NilometerMiddleware, entity=entity, event_time_header=EVENT_TIME)
    return app


sensor = service("sensor", temperature, COMFORT_URL)
comfort = service("comfort", index, ADVICE_URL)
advice = service("advice", heating)
