"""A Litestar application, the model of which is 2a - b. No import of ours."""

import json
from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, get, post
from litestar.response import Stream


def score(row: Any) -> float:
    return 2.0 * row["a"] - row["b"]


@get("/healthz")
async def healthz() -> dict[str, bool]:
    return {"ok": True}


@post("/object", status_code=200)
async def of_object(data: dict[str, float]) -> dict[str, float]:
    return {"score": score(data)}


@post("/list", status_code=200)
async def of_list(data: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{"score": score(row)} for row in data]


@post("/lines", status_code=200)
async def lines(data: dict[str, float]) -> Stream:
    async def parts() -> AsyncIterator[str]:
        for step in range(3):
            yield json.dumps({"score": score(data) + step}) + "\n"

    return Stream(parts(), media_type="application/x-ndjson")


@post("/fails", status_code=200)
async def fails(data: dict[str, float]) -> None:
    raise RuntimeError(f"the model has no answer to {data}")


app = Litestar([healthz, of_object, of_list, lines, fails])
