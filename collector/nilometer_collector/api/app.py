"""The Starlette application."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from nilometer.values.clock import Clock
from nilometer_collector.access.links import APPROVE_PATH, DECIDE_PATH
from nilometer_collector.access.principals import Principal
from nilometer_collector.actions.targets import Targets
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.api.approval import Approval
from nilometer_collector.api.auditing import Announcing, Auditing
from nilometer_collector.api.authentication import Authentication
from nilometer_collector.api.decision_page import DecisionPage
from nilometer_collector.api.openapi import document
from nilometer_collector.api.operation import Context, Operation
from nilometer_collector.api.problems import EXPECTED, on_bug, on_error, on_http_error
from nilometer_collector.api.query_parameters import QueryParameters
from nilometer_collector.api.resources.registered import OPERATIONS
from nilometer_collector.api.shield import Shield
from nilometer_collector.audit import Auditor
from nilometer_collector.causes.causes import Causes
from nilometer_collector.channels import Receivers
from nilometer_collector.counters import Counters
from nilometer_collector.limits.bounds import FUTURE_SECONDS
from nilometer_collector.pipeline import Pipeline
from nilometer_collector.query.query import Query
from nilometer_collector.store import Store

STATIC = Path(__file__).resolve().parent.parent / "static"
NO_PAGES = (
    "nilometer collector\n\nThe pages are not built. In a checkout, run `make web`.\n"
    "The API is at /api/v1, described by /openapi.json.\n"
)


class Pages:
    """Serves the built pages. Browsers may cache files under ``assets/`` for a year.

    Args:
        static: Directory of the built pages.
    """

    def __init__(self, static: Path) -> None:
        self._files = StaticFiles(directory=static, html=True)

    async def __call__(self, request: Request) -> Response:
        """Respond with the requested file, or with 404."""
        path = request.path_params["path"]
        response = await self._files.get_response(path or ".", request.scope)
        kept = path.startswith("assets/")
        response.headers["cache-control"] = (
            "public, max-age=31536000, immutable" if kept else "no-cache"
        )
        return response


class PagesRoute(Route):
    """The route of the pages. It leaves all paths of the API to the API's own routes."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every path outside the API."""
        if scope.get("path", "").startswith("/api/"):
            return Match.NONE, {}
        return super().matches(scope)


_ON_ERRORS = {
    HTTPException: on_http_error,
    Exception: on_bug,
    **dict.fromkeys(EXPECTED, on_error),
}


def make_app(
    store: Store,
    query: Query,
    clock: Clock,
    counters: Counters,
    *,
    wake: Callable[[], None],
    receivers: Receivers,
    targets: Targets,
    causes: Causes,
    public_url: str = "",
    principals: Sequence[Principal] = (),
    secure: bool = False,
    watch_rules: tuple[WatchRule, ...] = (),
    future_seconds: float = FUTURE_SECONDS,
    static: Path = STATIC,
) -> Starlette:
    """Make the application that serves the API and the pages.

    Args:
        store: Store of alerters, references and episodes.
        query: Query over the samples of the store.
        clock: Clock for wall time and monotonic time.
        counters: Counters that /readyz shows.
        wake: Function that is called when a change may have queued a notification.
        receivers: Channels of notifications, and how to reach them.
        targets: Where actions may go.
        causes: Likely causes of episodes.
        public_url: Public URL of the pages; requests for its host are accepted.
        principals: Principals that may use them.
        secure: Whether the server uses TLS.
        watch_rules: Settings of the default alerter.
        future_seconds: Longest time after *clock* at which the window of a logged sample may begin.
        static: Directory of the built pages.
    """
    context = Context(
        store=store,
        query=query,
        pipeline=Pipeline(store, query, clock),
        clock=clock,
        counters=counters,
        wake=wake,
        receivers=receivers,
        targets=targets,
        causes=causes,
        watch_rules=watch_rules,
        future_seconds=future_seconds,
    )
    app = Starlette(
        routes=[*_routes(OPERATIONS, context), *_documents(static)],
        middleware=[
            Middleware(Shield, public_host=urlsplit(public_url).hostname or ""),
            *_doors(store, clock, counters, principals, secure=secure, public_url=public_url),
        ],
        exception_handlers=_ON_ERRORS,
    )
    app.router.redirect_slashes = False  # paths of the API do not end with a slash
    return app


def _doors(
    store: Store,
    clock: Clock,
    counters: Counters,
    principals: Sequence[Principal],
    *,
    secure: bool,
    public_url: str,
) -> list[Middleware]:
    """Return what authenticates requests, between the two parts of the audit log."""
    auditor = Auditor(store, clock, counters)
    return [
        Middleware(Auditing, auditor=auditor, clock=clock),
        Middleware(
            Authentication,
            principals,
            clock,
            store.workspaces,
            secure=secure,
            public_url=public_url,
        ),
        Middleware(Announcing, auditor=auditor, clock=clock),
    ]


def _documents(static: Path) -> list[BaseRoute]:
    """Make the routes of the OpenAPI document and of the pages, if they are built."""

    @cache
    def described() -> bytes:
        return msgspec.json.encode(document(OPERATIONS))

    # No coroutine, so that Starlette calls it on a thread: the first call takes a tenth of a second.
    def openapi(request: Request) -> Response:
        QueryParameters(request, ())
        return Response(described(), media_type="application/json")

    async def no_pages(_: Request) -> Response:
        return Response(NO_PAGES, media_type="text/plain")

    if (static / "index.html").is_file():
        # This is a route, because a mount would also answer methods that a path does not have.
        return [Route("/openapi.json", openapi), PagesRoute("/{path:path}", Pages(static).__call__)]
    return [Route("/openapi.json", openapi), Route("/", no_pages)]


def _routes(operations: Iterable[Operation], context: Context) -> list[Route]:
    """Make one route for each path, so that a 405 response lists all allowed methods.

    The pages of signed links are no operations of the API.
    """
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    linked = {APPROVE_PATH: Approval(context).__call__, DECIDE_PATH: DecisionPage(context).__call__}
    return [
        *(Route(path, page, methods=["GET", "POST"]) for path, page in linked.items()),
        *(
            Route(path, _endpoint(by_method, context), methods=list(by_method))
            for path, by_method in by_path.items()
        ),
    ]


def _endpoint(
    by_method: Mapping[str, Operation], context: Context
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await by_method[method].respond(request, context)

    return endpoint
