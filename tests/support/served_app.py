"""The application for tests of real servers; its response depends on the request."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

import nilometer


async def predict(request: Request) -> JSONResponse:
    payment = await request.json()
    nilometer.log(risk=payment["amount"] * 2)
    return JSONResponse({"score": payment["amount"] / 1000, "pid": os.getpid()})


async def stream(request: Request) -> StreamingResponse:
    async def chunks() -> object:
        for number in range(3):
            yield b"%d\n" % number

    return StreamingResponse(chunks())  # type: ignore[arg-type]  # an async generator


app = Starlette(
    routes=[
        Route("/predict", predict, methods=["POST"]),
        Route("/stream", stream, methods=["POST"]),
    ]
)
