"""Redacts bodies: reads them like the decoders, and writes them again without named fields.

`nilometer.bodies.carriers` says which carriers a body may have. Only data that was read is written.
Comments, preambles, and names and contents of uploaded files are not written. If no reading fits,
the body is withheld; if there are only rules for text, its text is redacted.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from urllib.parse import urlencode

from nilometer.bodies import carriers
from nilometer.bodies.carriers import Carrier, Carriers
from nilometer.bodies.column_names import MAX_COLUMNS, table_names
from nilometer.bodies.events import DONE, EMPTY_LINE, Event, events
from nilometer.bodies.form import fields as form_fields
from nilometer.bodies.form import is_form
from nilometer.bodies.fragments import are_interleaved, is_fragment, is_marked_fragment
from nilometer.bodies.generated import is_frame, masked, texts_in
from nilometer.bodies.json_text import parsed
from nilometer.bodies.lines import lines, text_lines
from nilometer.bodies.media import in_utf8, media_type, without_charset
from nilometer.bodies.multipart import MAX_FIELD_BYTES, Part, delimiter_of, parts
from nilometer.bodies.packed import packed, unpacked
from nilometer.bodies.tables import (
    Table,
    begins_with_header,
    table_of,
    told_header,
    with_delimiter,
)
from nilometer.handoff.redact_json import BLANK, Documents
from nilometer.handoff.redact_tensors import with_tensors
from nilometer.handoff.withheld import Withheld
from nilometer.values.errors import Undecodable
from nilometer.values.streams import Ends

_DELIMITERS = (",", "\t", ";", "|")
_GRPC = "application/grpc"
_NO_EVENTS = b":\n\n"  # a comment
_NO_JSON = object()
_QUOTABLE = re.compile(r'(?:[^"\\\r\n]|\\[^\r\n])+')
_MEDIA = re.compile(r"(?:application|audio|image|message|text|video)/[\w.+-]+")

KNOWN = Carriers.of(
    (
        carriers.EVENTS,
        carriers.BINARY_TENSORS,
        carriers.LINES,
        carriers.STREAM,
        carriers.TEXT,
        carriers.FORM,
        carriers.MULTIPART,
        carriers.TABLE,
        carriers.PACKED,
        carriers.BINARY,
        carriers.PAGES,
    )
)


class Bodies:
    """Redacts the bodies of one side of an exchange.

    Args:
        documents: Redacts the JSON documents of this side.
        are_responses: Whether the bodies are responses. The text of a stream's frames is masked in
            responses, and so is that of the frames of a known API in requests: some clients send a
            stream on. Other lines and events of a request are rows, even if they look like frames.
            Their text is masked only if a rule finds something that is split over several rows, or
            if they may belong to several streams that alternate.
    """

    def __init__(self, documents: Documents, *, are_responses: bool) -> None:
        self._documents = documents
        self._are_responses = are_responses
        self._fields = documents.fields
        self._text = documents.texts.text
        self._readers: Mapping[Carrier, Callable[[bytes, str], bytes]] = {
            carriers.EVENTS: lambda content, _: self._stream(content),
            carriers.LINES: lambda content, _: self._lines(content),
            carriers.PACKED: lambda content, _: packed(documents.cleaned(unpacked(content))),
            carriers.FORM: lambda content, _: self._form(content.decode("utf-8", "replace")),
            carriers.MULTIPART: self._multipart,
        }

    def redacted(
        self, content: bytes, content_type: str, header_length: str = ""
    ) -> tuple[bytes, str]:
        """Return a redacted body and its content type, so that it is decoded like the original.

        Args:
            content: Body without a content encoding.
            content_type: Declared content type.
            header_length: Value of ``Inference-Header-Content-Length``, or empty. The value no
                longer fits after redaction.

        Raises:
            Withheld: If a named field may remain.
        """
        if KNOWN.may_be_json(content, content_type):
            with suppress(ValueError):  # another reading may fit
                return self._documents.redacted(content), content_type
        plain = in_utf8(content, content_type)
        if plain is not content:
            return self.redacted(plain, without_charset(content_type), header_length)
        for carrier in KNOWN.readings(content, content_type):
            try:
                if carrier is carriers.TABLE:
                    return self._table(content, content_type)
                if carrier is carriers.BINARY_TENSORS:
                    tensors = with_tensors(content, header_length, self._documents)
                    return tensors, content_type
                read = self._readers.get(carrier)
                if read is not None:
                    return read(content, content_type), content_type
            except (ValueError, Undecodable, csv.Error):
                continue
        media = media_type(content_type)
        if self._fields or media.endswith("json") or media.startswith(_GRPC):
            raise Withheld
        try:
            return self._text(content.decode()).encode(), content_type
        except UnicodeDecodeError as error:
            raise Withheld from error

    def redacted_ends(self, ends: Ends, content_type: str) -> Ends:
        """Return the redacted start and end of a stream, without the parts next to the gap.

        Raises:
            Withheld: If a named field may remain.
        """
        whole = ends.whole_lines()
        for carrier in KNOWN.readings_of_ends(ends.start, content_type):
            try:
                if carrier is carriers.EVENTS:
                    last = self._stream(_after_gap(ends.end))
                    return Ends(self._stream(whole.start), b"\n\n" + last)
                if carrier is carriers.LINES:
                    first = self._lines(whole.start) if whole.start.strip() else b""
                    last = self._lines(whole.end) if whole.end.strip() else b""
                    return Ends(first, b"\n" + last)
            except ValueError as error:
                raise Withheld from error
        if not whole.start:
            return Ends(b"", b"")  # too short to recognise the format
        if self._fields:
            raise Withheld
        try:
            return Ends(*(self._text(part.decode()).encode() for part in whole))
        except UnicodeDecodeError as error:
            raise Withheld from error

    def _form(self, text: str) -> bytes:
        if not is_form(text):
            raise ValueError("not a form")
        return self.form(text).encode()

    def form(self, text: str) -> str:
        """Return a form or a query string without its named fields.

        Raises:
            ValueError: If it has too many fields.
            Withheld: If a named field may remain, or nothing remains.
        """
        pairs = form_fields(text)
        self._documents.check_names(name for name, _ in pairs)
        kept = [
            (self._text(name), self._documents.text(value, name))
            for name, value in pairs
            if not self._fields.key(name, name)
        ]
        if "\0" in text or (pairs and not kept):
            raise Withheld
        return urlencode(kept, safe="[]")

    def _stream(self, content: bytes) -> bytes:
        read: Iterable[tuple[Event, object]]
        read = ((event, _value_of(event.data)) for event in events(content))
        is_stream = self._are_responses
        if not is_stream:
            read = [*read]
            is_stream = self._is_split((value, event.kind.decode()) for event, value in read)
        clean = (self._event(event, value, is_stream=is_stream) for event, value in read)
        return b"".join(clean) or _NO_EVENTS

    def _event(self, event: Event, value: object, *, is_stream: bool) -> bytes:
        kind = self._text(event.kind.decode())
        if self._fields.mentions(kind):
            raise Withheld
        data = event.data
        if data != DONE:
            if value is not _NO_JSON:
                is_part = is_frame(value) or (is_stream and is_fragment(value, kind))
                data = self._documents.encoded(masked(value) if is_part else value)
            elif self._fields:  # a field may be split over several events
                raise Withheld
            else:
                data = self._text(data.decode()).encode()
        named = [b"event: " + kind.encode()] if kind else []
        return b"\n".join([*named, *(b"data: " + line for line in data.split(b"\n"))]) + b"\n\n"

    def _lines(self, content: bytes) -> bytes:
        """Return redacted lines of JSON; a last line that is cut off becomes a single bracket.

        Raises:
            ValueError: If another line is not JSON, or there are no lines.
        """
        found = lines(content)
        values: Iterable[object] = map(_value_of, found)
        is_stream = self._are_responses
        if not is_stream:
            values = [*values]
            is_stream = self._is_split((value, "") for value in values)
        clean: list[bytes] = []
        for at, (line, value) in enumerate(zip(found, values, strict=True)):
            if not line:
                clean.append(line)
                continue
            if value is _NO_JSON:
                if at < len(found) - 1 or not any(clean) or not line.startswith(b"{"):
                    raise ValueError("a line is not JSON")
                clean.append(b"{")
                continue
            is_part = is_frame(value) or (is_stream and is_marked_fragment(value))
            clean.append(self._documents.encoded(masked(value) if is_part else value))
        if not any(clean):
            raise ValueError("no lines of JSON")
        return b"\n".join(clean)

    def _is_split(self, frames: Iterable[tuple[object, str]]) -> bool:
        """Return whether something to redact may be split over several *frames*.

        Args:
            frames: Value of each frame, see `_value_of`, and the type of its event.
        """
        values = [(value, kind) for value, kind in frames if value is not _NO_JSON]
        texts: dict[str, list[str]] = {}
        for value, _ in values:
            for key, text in texts_in(value):
                texts.setdefault(key, []).append(text)
        for pieces in texts.values():
            whole = "".join(pieces)
            if self._fields.mentions(whole) or self._text(whole) != "".join(
                map(self._text, pieces)
            ):
                return True
        # Joined pieces of other streams hide what is split over those of one.
        return are_interleaved(one for one in values if is_fragment(*one))

    def _multipart(self, content: bytes, content_type: str) -> bytes:
        delimiter = delimiter_of(content, content_type)
        found = [*parts(content, content_type)]
        self._documents.check_names(part.name for part in found)
        kept = [part for part in found if not self._is_named(part)]
        if found and not kept:
            raise Withheld
        written = b"".join(delimiter + b"\r\n" + self._part(part) + b"\r\n" for part in kept)
        return written + delimiter + b"--\r\n"

    def _is_named(self, part: Part) -> bool:
        names = (part.name, f"{part.name}.bytes", f"{part.name}.type")
        return any(self._fields.key(part.name, name) for name in names)

    def _part(self, part: Part) -> bytes:
        name = self._text(part.name)
        if _QUOTABLE.fullmatch(name) is None:
            raise Withheld
        head = f'Content-Disposition: form-data; name="{name}"'
        if part.is_file:
            head += '; filename="file"'
        if _MEDIA.fullmatch(part.media):
            head += f"\r\nContent-Type: {part.media}"
        return head.encode() + b"\r\n\r\n" + self._part_content(part)

    def _part_content(self, part: Part) -> bytes:
        if part.media == "application/json" or part.media.endswith("+json"):
            return self._documents.part(part.content, part.name)
        if not part.is_file and len(part.content) <= MAX_FIELD_BYTES:
            try:
                return self._documents.text(part.content.decode(), part.name).encode()
            except UnicodeDecodeError:
                pass
        return BLANK * len(part.content)

    def _table(self, content: bytes, content_type: str) -> tuple[bytes, str]:
        """Return a CSV without the named columns.

        Raises:
            ValueError: If the body is not a table.
            Withheld: If a named field is not the header of a column, or columns have no names.
        """
        text = content.decode("utf-8-sig")
        if self._fields:
            widest = max(
                (line.count(one) for line in text_lines(text) for one in _DELIMITERS), default=0
            )
            if widest > MAX_COLUMNS:
                raise Withheld
            cut = self._cut_table(table_of(text, content_type), content_type)
            if cut:
                text = cut
                if told_header(content_type) is None:  # the cut header may look like a row
                    content_type += "; header=present"
            if self._fields.mentions(text):
                raise Withheld
        return self._text(text).encode(), content_type

    def _cut_table(self, table: Table, content_type: str) -> str:
        """Return the table without its named columns; empty if there are none.

        Raises:
            Withheld: If all columns are named, or if the table may have no header.
        """
        rows, named = table.rows, self._fields.name
        header = rows[0] if rows else []
        width = len(header)
        if not header or any(len(row) != width for row in rows):
            return ""  # not decoded
        if not begins_with_header(rows, content_type, _is_no_name):
            if any(named(str(place)) for place in range(width)):
                raise Withheld
            if told_header(content_type) is False:
                return ""
        columns = table_names(header)
        kept = [
            at
            for at, name in enumerate(header)
            if not (named(columns[at]) or named(name) or named(name.strip()))
        ]
        if len(kept) == width:
            return ""
        if not kept:
            raise Withheld
        written = io.StringIO()
        writer = csv.writer(written, delimiter=table.delimiter, lineterminator="\n")
        writer.writerow([columns[at] if any(row[at] for row in rows) else "" for at in kept])
        writer.writerows([row[at] for at in kept] for row in rows[1:])
        return with_delimiter(written.getvalue(), content_type, table.delimiter)


def _value_of(frame: bytes) -> object:
    """Return the JSON value of an event's data or of a line; `_NO_JSON` if it is not JSON."""
    try:
        return parsed(frame)
    except ValueError:
        return _NO_JSON


def _is_no_name(text: str) -> bool:
    """Return False: the agent may know column names, but redaction does not."""
    del text
    return False


def _after_gap(end: bytes) -> bytes:
    """Return *end* without the event next to the gap.

    If the gap ends before an event, the event is complete and kept. Otherwise its start is missing,
    and the rest of it is not valid JSON.
    """
    boundary = EMPTY_LINE.search(end)
    rest = end[boundary.end() :] if boundary is not None else b""
    cut = end[: boundary.end()] if boundary is not None else end
    whole = Ends(b"", cut).whole_lines().end
    for event in events(whole):
        if event.data.startswith((b"{", b"[")):
            try:
                parsed(event.data)
            except ValueError:
                continue
            return whole + rest
    return rest
