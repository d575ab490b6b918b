"""A Sanic application, the model of which is 2a - b, for an ASGI server. No import of ours."""

import json as standard_json
from typing import Any

from sanic import Request, Sanic
from sanic.response import HTTPResponse, json

app = Sanic("linear")


def score(row: Any) -> float:
    return 2.0 * row["a"] - row["b"]


@app.get("/healthz")
async def healthz(request: Request) -> HTTPResponse:
    del request
    return json({"ok": True})


@app.post("/object")
async def of_object(request: Request) -> HTTPResponse:
    return json({"score": score(request.json)})


@app.post("/list")
async def of_list(request: Request) -> HTTPResponse:
    return json([{"score": score(row)} for row in request.json])


@app.post("/lines")
async def lines(request: Request) -> None:
    response = await request.respond(content_type="application/x-ndjson")
    for step in range(3):
        await response.send(standard_json.dumps({"score": score(request.json) + step}) + "\n")
    await response.eof()


@app.post("/fails")
async def fails(request: Request) -> HTTPResponse:
    raise RuntimeError(f"the model has no answer to {request.json}")
