"""Decides how a body is read: the content type and the first bytes select carriers, in an order.

A carrier is the outer form of a body: a form, lines of JSON, a stream of events. Some clients omit
the content type, and some servers declare a wrong one, so a body may have several carriers. The
first one that can be read is right. Decoders and redaction both ask `Carriers`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from nilometer.bodies.events import is_stream
from nilometer.bodies.json_text import begins_like_json
from nilometer.bodies.lines import begins_like_lines
from nilometer.bodies.media import is_json, media_type
from nilometer.values.streams import EVENT_STREAM, NDJSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """The outer form of a body that is not a single JSON document.

    Attributes:
        media_types: Content types that declare the form, without parameters, in lower case.
        often_json: Whether clients also send JSON under these content types. If so, a body that
            begins like JSON is read as JSON first.
        often_begun: Whether a body under these content types is first read as its first bytes say.
        begins: Function that returns whether bytes begin like this form. It is called for a
            malformed body that should be JSON.
    """

    media_types: frozenset[str] = frozenset()
    often_json: bool = False
    often_begun: bool = False
    begins: Callable[[bytes], bool] | None = None


C = TypeVar("C", bound=Carrier)


@dataclass(frozen=True, slots=True)
class Carriers(Generic[C]):
    """Carriers, indexed for the lookup by content type and by first bytes.

    Attributes:
        declared: Carriers by content type, without parameters.
        recognised: Carriers that the first bytes of a body identify.
    """

    declared: Mapping[str, C]
    recognised: tuple[C, ...]

    @classmethod
    def of(cls, carriers: Iterable[C]) -> "Carriers[C]":
        """Index *carriers*; earlier ones take precedence."""
        known = tuple(carriers)
        declared: dict[str, C] = {}
        for one in known:
            for media in one.media_types:
                declared.setdefault(media, one)
        return cls(declared, tuple(one for one in known if one.begins is not None))

    def may_be_json(self, content: bytes, content_type: str) -> bool:
        """Return whether *content* is to be read as one JSON document before any other reading."""
        if is_json(content_type):
            return True
        declared = self.declared.get(media_type(content_type))
        return declared is not None and declared.often_json and begins_like_json(content)

    def readings(self, content: bytes, content_type: str) -> Iterator[C]:
        """Yield the carriers that *content* may have in the order to try, if it is not JSON."""
        declared = self.declared.get(media_type(content_type))
        begun = declared is not None and declared.often_begun
        if begun or self.may_be_json(content, content_type):
            yield from self.begun(content)
        if declared is not None:
            yield declared

    def readings_of_ends(self, start: bytes, content_type: str) -> Iterator[C]:
        """Yield the carriers that a stream may have of which only *start* and its end are known."""
        yield from self.begun(start)
        declared = self.declared.get(media_type(content_type))
        if declared is not None:
            yield declared

    def begun(self, content: bytes) -> Iterator[C]:
        """Yield the carriers that *content* begins like."""
        for one in self.recognised:
            if one.begins is not None and one.begins(content):
                yield one


EVENTS = Carrier(begins=is_stream)
BINARY_TENSORS = Carrier(begins=lambda content: content.lstrip().startswith(b"{"))
LINES = Carrier(media_types=NDJSON, begins=begins_like_lines)
# Some servers declare an event stream but send JSON or text.
TEXT = Carrier(
    media_types=frozenset({EVENT_STREAM, "text/plain"}), often_json=True, often_begun=True
)
# The default content type of curl and others.
FORM = Carrier(media_types=frozenset({"application/x-www-form-urlencoded"}), often_json=True)
MULTIPART = Carrier(media_types=frozenset({"multipart/form-data"}))
TABLE = Carrier(media_types=frozenset({"text/csv", "application/csv"}))
OPAQUE = Carrier(media_types=frozenset({"application/octet-stream"}), often_json=True)
