"""Decides how a body is read: its content type and first bytes select carriers, in order.

A carrier is the outer form of a body: a form, lines of JSON, a stream of events. Some clients omit
the content type, and some servers declare a wrong one, so a body may have several carriers. The
first one that can be read is right. Decoders and redaction both ask `Carriers`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from nilometer.bodies.events import has_json_event, is_stream
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
        families: Prefixes of further content types that declare the form, such as ``image/``.
        begun_by: Function that returns whether the first bytes of a body with these content types
            take precedence over the content type; None if they never do.
        begins: Function that returns whether bytes begin like this form. It is called for a
            malformed body that should be JSON.
    """

    media_types: frozenset[str] = frozenset()
    often_json: bool = False
    families: tuple[str, ...] = ()
    begun_by: Callable[[bytes], bool] | None = None
    begins: Callable[[bytes], bool] | None = None


C = TypeVar("C", bound=Carrier)


@dataclass(frozen=True, slots=True)
class Carriers(Generic[C]):
    """Carriers, indexed for the lookup by content type and by first bytes.

    Attributes:
        declared: Carriers by content type, without parameters.
        families: Carriers by the beginning of a content type.
        recognised: Carriers that the first bytes of a body identify.
    """

    declared: Mapping[str, C]
    families: tuple[tuple[str, C], ...]
    recognised: tuple[C, ...]

    @classmethod
    def of(cls, carriers: Iterable[C]) -> "Carriers[C]":
        """Return an index of *carriers*; earlier carriers take precedence."""
        known = tuple(carriers)
        declared: dict[str, C] = {}
        for one in known:
            for media in one.media_types:
                declared.setdefault(media, one)
        families = tuple((family, one) for one in known for family in one.families)
        return cls(declared, families, tuple(one for one in known if one.begins is not None))

    def declared_by(self, content_type: str) -> C | None:
        """Return the carrier that *content_type* declares; None if it is unknown."""
        media = media_type(content_type)
        found = self.declared.get(media)
        if found is None:
            return next((one for family, one in self.families if media.startswith(family)), None)
        return found

    def may_be_json(self, content: bytes, content_type: str) -> bool:
        """Return whether *content* is first read as a single JSON document."""
        if is_json(content_type):
            return True
        declared = self.declared_by(content_type)
        return declared is not None and declared.often_json and begins_like_json(content)

    def readings(self, content: bytes, content_type: str) -> Iterator[C]:
        """Yield the possible carriers of *content* in the order to try, if it is not JSON."""
        declared = self.declared_by(content_type)
        begun = declared is not None and declared.begun_by and declared.begun_by(content)
        if begun or self.may_be_json(content, content_type):
            yield from self.begun(content)
        if declared is not None:
            yield declared

    def readings_of_ends(self, start: bytes, content_type: str) -> Iterator[C]:
        """Yield the possible carriers of a stream of which only *start* and the end are known."""
        yield from self.begun(start)
        declared = self.declared_by(content_type)
        if declared is not None:
            yield declared

    def begun(self, content: bytes) -> Iterator[C]:
        """Yield the carriers that the first bytes of *content* match."""
        for one in self.recognised:
            if one.begins is not None and one.begins(content):
                yield one


EVENTS = Carrier(begins=is_stream)
BINARY_TENSORS = Carrier(begins=lambda content: content.lstrip().startswith(b"{"))
LINES = Carrier(media_types=NDJSON, begins=begins_like_lines)
# Some servers declare an event stream but send JSON or text.
STREAM = Carrier(
    media_types=frozenset({EVENT_STREAM}),
    often_json=True,
    begun_by=bool,  # always
)
# Plain text may begin like a field of an event, such as ``id:``.
TEXT = Carrier(media_types=frozenset({"text/plain"}), often_json=True, begun_by=has_json_event)
# This is the default content type of curl and others.
FORM = Carrier(media_types=frozenset({"application/x-www-form-urlencoded"}), often_json=True)
MULTIPART = Carrier(media_types=frozenset({"multipart/form-data"}))
TABS = frozenset({"text/tab-separated-values", "text/tsv"})
TABLE = Carrier(media_types=frozenset({"text/csv", "application/csv", *TABS}))
LIBSVM = Carrier(media_types=frozenset({"text/libsvm", "text/x-libsvm"}))
ARROW = Carrier(
    media_types=frozenset(
        {
            *("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"),
            "application/x-apache-arrow-stream",
        }
    )
)
PARQUET = Carrier(
    media_types=frozenset(
        {"application/vnd.apache.parquet", "application/x-parquet", "application/parquet"}
    )
)
PACKED = Carrier(
    media_types=frozenset(
        {"application/msgpack", "application/x-msgpack", "application/vnd.msgpack"}
    ),
    often_json=True,
)
BINARY = Carrier(
    media_types=frozenset(
        {
            *("application/octet-stream", "application/pdf", "application/zip"),
            *("application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf"),
            # SageMaker's algorithms, and medical images
            *("application/x-image", "application/x-recordio-protobuf", "application/dicom"),
        }
    ),
    families=("image/", "audio/", "video/"),
    often_json=True,
)
PAGES = Carrier(media_types=frozenset({"text/html"}), often_json=True)
