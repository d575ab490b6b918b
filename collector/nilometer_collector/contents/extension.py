"""Contents of types from outside this project as the API shows them."""

from collections.abc import Callable

from nilometer.values.window import Window
from nilometer_collector.contents.bins import Bins
from nilometer_collector.contents.view import C, ContentView, Shown


class ExtensionView(ContentView, frozen=True, kw_only=True):
    """A content of a type from outside."""

    kind: str  # of the content type
    content: ContentView  # as the type shows itself


def shown_extension(content: type[C], view: Callable[[C], ContentView]) -> Shown[C]:
    """How a *content* type from outside is shown, to be added to `SHOWN`."""

    def in_window(value: C, window: Window, bins: Bins | None) -> ExtensionView:
        del window, bins
        return ExtensionView(kind=content.kind, content=view(value))

    return Shown(kind=content.kind, field="extension", view=in_window)
