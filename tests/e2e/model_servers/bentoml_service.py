"""A service of BentoML, the model of which is 2a - b. No import of ours."""

from collections.abc import AsyncGenerator

import bentoml
import numpy as np
from numpy.typing import NDArray


@bentoml.service(workers=2)
class Linear:
    @bentoml.api
    def score(self, a: float, b: float) -> dict[str, float]:
        return {"score": 2 * a - b}

    @bentoml.api
    def rows(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows @ np.array([2.0, -1.0])

    @bentoml.api
    async def stream(self, a: float, b: float) -> AsyncGenerator[str, None]:
        for step in range(3):
            yield f"{2 * a - b + step} "

    @bentoml.api
    def fails(self, a: float) -> float:
        raise RuntimeError(f"the model has no answer to {a}")
