"""The form of other packages' content types in the API."""

from nilometer.kinds import ContentKind, ContentView
from nilometer.values.window import Window
from nilometer_collector.contents.bins import Bins
from nilometer_collector.contents.view import C, Shown


class ExtensionView(ContentView, frozen=True, kw_only=True):
    """A content of a type that another package has registered."""

    kind: str  # kind of the content type
    content: ContentView  # the content as its type shows it


def shown_extension(kind: ContentKind[C]) -> Shown[C]:
    """Return the form in which the API shows a content type of another package."""
    name, view = kind.content.kind, kind.view

    def in_window(value: C, window: Window, bins: Bins | None) -> ExtensionView:
        del window, bins
        return ExtensionView(kind=name, content=view(value) if view else ContentView())

    return Shown(kind=name, field="extension", view=in_window)
