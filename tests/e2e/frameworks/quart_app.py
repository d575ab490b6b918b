"""A Quart application, the model of which is 2a - b. No import of ours."""

import json
from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, Response, request

app = Quart(__name__)


def score(row: Any) -> float:
    return 2.0 * row["a"] - row["b"]


@app.get("/healthz")
async def healthz() -> dict[str, bool]:
    return {"ok": True}


@app.post("/object")
async def of_object() -> dict[str, float]:
    return {"score": score(await request.get_json())}


@app.post("/list")
async def of_list() -> Response:
    rows = await request.get_json()
    return Response(
        json.dumps([{"score": score(row)} for row in rows]), mimetype="application/json"
    )


@app.post("/lines")
async def lines() -> Response:
    row = await request.get_json()

    async def parts() -> AsyncIterator[str]:
        for step in range(3):
            yield json.dumps({"score": score(row) + step}) + "\n"

    return Response(parts(), mimetype="application/x-ndjson")


@app.post("/fails")
async def fails() -> Any:
    raise RuntimeError(f"the model has no answer to {await request.get_json()}")
