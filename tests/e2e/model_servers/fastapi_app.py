"""A FastAPI application, the model of which is 2a - b, in every shape people send. No import of ours."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import FastAPI, Form, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()


class Row(BaseModel):
    a: float
    b: float


def score(a: float, b: float) -> float:
    return 2 * a - b


@app.get("/healthz")
def healthz() -> dict[str, bool]:
    return {"ok": True}


@app.post("/object")
async def of_object(row: Row) -> dict[str, float]:
    return {"score": score(row.a, row.b)}


@app.post("/list")
def of_list(rows: list[Row]) -> dict[str, list[float]]:  # in a thread of Starlette's pool
    return {"scores": [score(row.a, row.b) for row in rows]}


@app.post("/form")
async def of_form(a: Annotated[float, Form()], b: Annotated[float, Form()]) -> dict[str, float]:
    return {"score": score(a, b)}


@app.post("/upload")
async def of_upload(a: Annotated[float, Form()], file: UploadFile) -> dict[str, float]:
    return {"score": score(a, float(len(await file.read())))}


@app.get("/query")
async def of_query(a: float, b: float) -> dict[str, float]:
    return {"score": score(a, b)}


@app.post("/events")
async def events(row: Row) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for step in range(3):
            yield f"data: {json.dumps({'score': score(row.a, row.b) + step})}\n\n"

    return StreamingResponse(parts(), media_type="text/event-stream")


@app.post("/lines")
async def lines(row: Row) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for step in range(3):
            yield json.dumps({"score": score(row.a, row.b) + step}) + "\n"

    return StreamingResponse(parts(), media_type="application/x-ndjson")


@app.post("/fails")
async def fails(row: Row) -> Any:
    raise RuntimeError(f"the model has no answer to {row.a}")
