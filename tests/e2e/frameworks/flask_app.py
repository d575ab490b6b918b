"""A Flask application, the model of which is 2a - b. No import of ours."""

import json
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, request

app = Flask(__name__)


def score(row: Any) -> float:
    return 2.0 * row["a"] - row["b"]


@app.get("/healthz")
def healthz() -> dict[str, bool]:
    return {"ok": True}


@app.post("/object")
def of_object() -> dict[str, float]:
    return {"score": score(request.get_json())}


@app.post("/list")
def of_list() -> Response:
    rows = request.get_json()
    return Response(
        json.dumps([{"score": score(row)} for row in rows]), mimetype="application/json"
    )


@app.post("/lines")
def lines() -> Response:
    row = request.get_json()

    def parts() -> Iterator[str]:
        for step in range(3):
            yield json.dumps({"score": score(row) + step}) + "\n"

    return Response(parts(), mimetype="application/x-ndjson")


@app.post("/fails")
def fails() -> Any:
    raise RuntimeError(f"the model has no answer to {request.get_json()}")
