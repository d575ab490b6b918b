"""A Django project of one file, the model of which is 2a - b. No import of ours."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of a test")


def score(row: Any) -> float:
    return 2.0 * row["a"] - row["b"]


def healthz(request: HttpRequest) -> JsonResponse:
    del request
    return JsonResponse({"ok": True})


def of_object(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"score": score(json.loads(request.body))})


def of_list(request: HttpRequest) -> JsonResponse:
    rows = json.loads(request.body)
    return JsonResponse([{"score": score(row)} for row in rows], safe=False)


def lines(request: HttpRequest) -> StreamingHttpResponse:
    texts = [
        json.dumps({"score": score(json.loads(request.body)) + step}) + "\n" for step in range(3)
    ]

    def parts() -> Iterator[str]:
        yield from texts

    async def async_parts() -> AsyncIterator[str]:
        for text in texts:
            yield text

    made = async_parts() if isinstance(request, ASGIRequest) else parts()
    return StreamingHttpResponse(made, content_type="application/x-ndjson")


def fails(request: HttpRequest) -> JsonResponse:
    raise RuntimeError(f"the model has no answer to {request.body!r}")


urlpatterns = [
    path("healthz", healthz),
    path("object", of_object),
    path("list", of_list),
    path("lines", lines),
    path("fails", fails),
]
asgi = get_asgi_application()
wsgi = get_wsgi_application()
