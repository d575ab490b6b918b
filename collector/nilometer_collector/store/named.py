"""The store's interface for channels, routes and targets: named objects that users define."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

import msgspec

from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.store.written import Unread, read_content

API_ORIGIN = "api"  # origin of objects that users create
SETTINGS_ORIGIN = "file"  # origin of objects of the collector's settings

D = TypeVar("D", ChannelDefinition, RouteDefinition, TargetDefinition)


class Objects(Protocol[D]):
    """Objects of one type by name. An origin is `API_ORIGIN` or `SETTINGS_ORIGIN`."""

    def put(self, definition: D, origin: str, now_ns: int, most: int) -> None:
        """Create or replace the object of this name.

        Raises:
            Refused: If there would be more than *most* objects in its workspace. Settings have a
                bound of their own, so they may exceed it.
        """
        ...

    def named(self, origin: str) -> set[str]:
        """Return the names of the objects that were last put with this *origin*."""
        ...

    def delete(self, name: str, now_ns: int) -> bool:
        """Delete an object; return False if it does not exist.

        The waiting notifications of a deleted channel are not sent.
        """
        ...

    def read(self, name: str) -> D | None:
        """Return the object of this name; None if it does not exist, or a newer version wrote it."""
        ...

    def all(self) -> list[D]:
        """List all objects by name, without those that a newer version wrote."""
        ...

    def contents(self) -> dict[str, str]:
        """Return the stored text of each object by name, also of those that a newer version wrote.

        The text is JSON, and has the secrets of the object.
        """
        ...

    def unread(self) -> dict[str, Unread]:
        """Return the reason of each object that this version cannot read, by name."""
        ...


def payload_of(definition: ChannelDefinition | RouteDefinition) -> str:
    """Return *definition* as the text that the store keeps."""
    return msgspec.json.encode(definition, order="deterministic").decode()


def unread_of(contents: Mapping[str, str], kind: type[D]) -> dict[str, Unread]:
    """Return the reason of each definition in *contents*, by name, that this version cannot read."""
    found = ((name, read_content(content, kind)) for name, content in contents.items())
    return {name: one for name, one in found if isinstance(one, Unread)}
