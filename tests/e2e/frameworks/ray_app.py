"""A deployment of Ray Serve with two replicas, the model of which is 2a - b.

Ray starts its replicas itself, so the middleware is in the code, if an entity is named.
"""

import os
import sys
import time
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve

app = FastAPI()
if os.environ.get("NILOMETER_ENTITY"):
    from nilometer import NilometerMiddleware

    app.add_middleware(
        NilometerMiddleware,  # type: ignore[arg-type]
        entity=os.environ["NILOMETER_ENTITY"],
        agent=os.environ["NILOMETER_AGENT"],
    )


def score(row: Any) -> float:
    return 2.0 * float(row["a"]) - float(row["b"])


@serve.deployment(num_replicas=2)
@serve.ingress(app)
class Linear:
    @app.get("/healthz")
    def healthz(self) -> dict[str, bool]:
        return {"ok": True}

    @app.post("/object")
    async def of_object(self, row: dict[str, float]) -> dict[str, float]:
        return {"score": score(row)}

    @app.post("/list")
    async def of_list(self, rows: list[dict[str, float]]) -> list[dict[str, float]]:
        return [{"score": score(row)} for row in rows]


if __name__ == "__main__":
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Linear.bind())
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        serve.shutdown()
        ray.shutdown()
