"""The HTTP resource of routes: list, create or replace, delete."""

import msgspec

from nilometer_collector.access.needs import Need
from nilometer_collector.alerting.routes import RouteDefinition, check_route
from nilometer_collector.api.authors import author_of
from nilometer_collector.api.body import read_json, refuse_controls
from nilometer_collector.api.operation import Call, Operation
from nilometer_collector.api.parameters import RequiredText
from nilometer_collector.declared.applying import By, change_one, remove_one
from nilometer_collector.declared.routes import RouteObjects, route_key
from nilometer_collector.errors import Unknown
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import Origin

OBJECTS = RouteObjects()
NAME = RequiredText("name", "Name of the route.")


class RouteView(RouteDefinition, frozen=True, kw_only=True):
    """A route as the API returns it."""


class Routes(msgspec.Struct, frozen=True, kw_only=True):
    """Routes by name."""

    routes: list[RouteView]


class PutRoute(RouteView, frozen=True, kw_only=True):
    """The stored route, with warnings of likely mistakes."""

    warnings: list[str]  # its channels that do not exist yet


async def list_routes(call: Call) -> Routes:
    """List the routes."""
    call.access.require_all()
    found = await call.context.ask(call.context.store.routes.all)
    return Routes(
        routes=[
            RouteView(**msgspec.structs.asdict(one))
            for one in found
            if call.access.may_use(one.name)
        ]
    )


async def put_route(call: Call) -> PutRoute:
    """Create the route, or replace the route of this name.

    Raises:
        ConfigError: If its hours or its time zone are wrong, or a channel is not of its workspace.
    """
    call.access.require_all()
    context, reads = call.context, call.access.for_need(Need.READ)
    by = By(author_of(call), Origin.API)
    route = await read_json(call.request, RouteDefinition)
    call.access.require_named(route.name)
    refuse_controls(route)

    def put() -> PutRoute:
        check_route(route)  # the first one reads the time zones of the host
        key, plain, now_ns = OBJECTS.key(route), OBJECTS.checked(route), context.clock.now_ns()
        command = OBJECTS.put(route)
        change_one(context.declaring(), OBJECTS, key, lambda: (plain, command), by, now_ns)
        known = KnownNames(context.store, reads.may, may_use=reads.naming)
        warnings = OBJECTS.warnings(plain, known)
        return PutRoute(**msgspec.structs.asdict(route), warnings=warnings)

    return await context.ask(put)


async def delete_route(call: Call) -> None:
    """Delete the route.

    Raises:
        Unknown: If there is no route of this name.
    """
    name, context, by = call.parameters.value(NAME), call.context, By(author_of(call), Origin.API)
    call.access.require_named(name)
    key, now_ns = route_key(name), context.clock.now_ns()
    if not await context.ask(
        lambda: remove_one(context.declaring(), OBJECTS, key, OBJECTS.remove(key), by, now_ns)
    ):
        raise Unknown(f"there is no route {name!r}")


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/routes",
        name="listRoutes",
        about="List the routes from episodes to channels.",
        handler=list_routes,
        answer=Routes,
    ),
    Operation(
        method="PUT",
        path="/api/v1/routes",
        name="putRoute",
        about="Create or replace the route of this name.",
        handler=put_route,
        answer=PutRoute,
        body=RouteDefinition,
        errors=(400, 409, 413, 415, 422),
    ),
    Operation(
        method="DELETE",
        path="/api/v1/routes",
        name="deleteRoute",
        about="Delete a route. A channel that no other route names is then told about everything.",
        handler=delete_route,
        answer=None,
        parameters=(NAME,),
        errors=(404, 422),
    ),
)
