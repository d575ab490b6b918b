"""Declared routes: which channels are told about which episodes."""

import msgspec

from nilometer_collector.alerting.routes import RouteDefinition, check_route
from nilometer_collector.declared.kind import (
    Kind,
    Plain,
    as_stored,
    refuse_controls,
    without_defaults,
)
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import API_ORIGIN, Command, Key, RemoveRoute, SetRoute, Store
from nilometer_collector.store.written import Unread, read_content


class RouteObjects(Kind[RouteDefinition]):
    """Routes from episodes to channels. They belong to no entity."""

    name = "route"
    plural = "routes"
    definition = RouteDefinition
    is_for_all = True

    def key(self, definition: RouteDefinition) -> Key:
        """Return the identity of the route."""
        return route_key(definition.name)

    def key_named(self, entity: str, name: str) -> Key:
        """Return the identity; a route needs only its name."""
        del entity
        return route_key(name)

    def checked(self, definition: RouteDefinition) -> Plain:
        """Return the route as JSON values, without defaults."""
        refuse_controls(definition)
        check_route(definition)
        return without_defaults(definition)

    def stored(self, store: Store, entity: str | None = None) -> dict[Key, Plain]:
        """Return all routes; those of one entity are none."""
        if entity not in {None, ""}:
            return {}
        found = {}
        for name, content in store.routes.contents().items():
            read, key = read_content(content, RouteDefinition), route_key(name)
            found[key] = (
                as_stored(key, content) if isinstance(read, Unread) else without_defaults(read)
            )
        return found

    def unread(self, store: Store) -> dict[Key, Unread]:
        """Return why this version cannot read a stored route, for each that it cannot read."""
        return {route_key(name): one for name, one in store.routes.unread().items()}

    def put(self, definition: RouteDefinition) -> Command:
        """Return the command that creates or replaces the route."""
        return SetRoute(definition, API_ORIGIN)

    def remove(self, key: Key) -> Command:
        """Return the command that deletes the route."""
        return RemoveRoute(key.name)

    def warnings(self, plain: Plain, known: KnownNames) -> list[str]:
        """Return a sentence for each channel that does not exist."""
        route = msgspec.convert(plain, RouteDefinition)
        channels = known.channels
        return [
            f"channels: {name!r} does not exist yet{known.hint(name, channels or [])}"
            for name in route.channels
            if known.is_missing(name, channels)
        ]


def route_key(name: str) -> Key:
    """Return the identity of a route."""
    return Key(RouteObjects.name, "", name)
