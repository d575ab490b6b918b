"""A model server in Starlette that is monitored by one line.

Run it with `uvicorn main:app --port 8000`, then send a request:

    curl -X POST localhost:8000/predict -H 'content-type: application/json' \
        -d '{"amount": 12.5, "country": "de"}'
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from nilometer import NilometerMiddleware


async def predict(request: Request) -> JSONResponse:
    """Return the prediction of a one-rule model: a larger payment is more likely to be fraud."""
    payment = await request.json()
    return JSONResponse({"score": min(payment["amount"] / 1000.0, 1.0)})


app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
app.add_middleware(NilometerMiddleware, entity="fraud-scorer")
