"""A kind of call that prepares or manages something, and the forms of its fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

IsForm: TypeAlias = Callable[[object], bool]


def is_text(value: object) -> bool:
    """Return whether *value* is a text."""
    return isinstance(value, str)


def is_texts(value: object) -> bool:
    """Return whether *value* is a text, or a list of texts."""
    return is_text(value) or (isinstance(value, list) and all(map(is_text, value)))


def _is_ids(value: object) -> bool:
    return isinstance(value, list) and all(type(one) is int for one in value)


def is_tokens(value: object) -> bool:
    """Return whether *value* is a list of token ids, or a list of such lists."""
    return _is_ids(value) or (isinstance(value, list) and all(map(_is_ids, value)))


def is_number(value: object) -> bool:
    """Return whether *value* is a number; a boolean is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_object(value: object) -> bool:
    """Return whether *value* is a JSON object."""
    return isinstance(value, dict)


def with_any(*names: str) -> IsForm:
    """Return a check for a list of objects, each of which has one of *names*."""

    def is_form(value: object) -> bool:
        return isinstance(value, list) and all(
            isinstance(one, dict) and not one.keys().isdisjoint(names) for one in value
        )

    return is_form


def one_of(*texts: str) -> IsForm:
    """Return a check for one of *texts*."""
    return lambda value: isinstance(value, str) and value in texts


is_messages = with_any("role", "parts")


@dataclass(frozen=True, slots=True)
class Call:
    """A kind of call.

    Attributes:
        does: What the call does, for users.
        path: Regular expression of its paths.
        needs: Fields of its JSON body, and their forms; one of them is enough.
        only: All fields that the body may have, separated by spaces, if those of *needs* have usual
            names; empty allows any other field.
        marks: Fields, and their forms, that show by themselves that it is this call: with one of
            them, the body may have any other field.
        whole: Form of its JSON body if that is no object; None if it always is an object.
        parts: Names of the parts of its body, separated by spaces, if that is a form of files; one
            of them is enough.
        method: HTTP method. The fields of a GET are those of its query.
        in_query: Whether its fields are in the query although its method may have a body; a request
            with a body is another call.
    """

    does: str
    path: str
    needs: Mapping[str, IsForm]
    only: str = ""
    marks: Mapping[str, IsForm] = field(default_factory=dict)
    whole: IsForm | None = None
    parts: str = ""
    method: str = "POST"
    in_query: bool = False

    def takes(self, value: object) -> bool:
        """Return whether a JSON *value* is a body of this call."""
        if value == {}:
            return True  # all fields may be optional, and no column is lost
        if not isinstance(value, dict):
            return self.whole is not None and self.whole(value)
        if self.only and not ({*value} <= {*self.only.split()} or _has_any(value, self.marks)):
            return False
        if self.only and all(one is None for one in value.values()):
            return True  # a client that writes its optional fields as null
        return _has_any(value, self.needs)


def _has_any(value: Mapping[str, object], forms: Mapping[str, IsForm]) -> bool:
    return any(name in value and is_form(value[name]) for name, is_form in forms.items())
