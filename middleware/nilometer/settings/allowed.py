"""Describes the allowed values of a setting in words, from its type."""

from collections.abc import Iterable

import msgspec
import msgspec.inspect as types

_PRINTABLE = r"[^\u0000-\u001f\u007f-\u009f]"
# Patterns that a reader does not have to decipher.
_WORDS = {
    f"^{_PRINTABLE}*$": " without control characters",
    r"^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]*$": (
        " without control characters other than line breaks"
    ),
    rf"^{_PRINTABLE}*[^\u0000-\u0020\u007f-\u00a0]{_PRINTABLE}*$": (
        " without control characters, and not only spaces"
    ),
}


def type_at(kind: type[msgspec.Struct], steps: Iterable[str | int]) -> types.Type:
    """Return the type of the value at *steps* of the structure *kind*."""
    found = types.type_info(kind)
    for step in steps:
        found = _part(_plain(found), step)
    return _plain(found)


def keys_of(found: types.Type) -> list[str]:
    """Return the keys of a structure; empty for any other type."""
    return [one.encode_name for one in found.fields] if isinstance(found, types.StructType) else []


def must_be(found: types.Type, why: str) -> str:
    """Return "must be ..." for a value of the type *found*; *why* if the type is not specific."""
    allowed = _allowed(found)
    return f"must be {allowed}" if allowed else why


def _allowed(found: types.Type) -> str:
    """Return what a value of the type *found* is, in words; empty if the type is not specific."""
    match found:
        case types.LiteralType():
            return f"one of {', '.join(map(repr, found.values))}"
        case types.BoolType():
            return "true or false"
        case types.IntType():
            return f"a whole number{_bounds(found)}"
        case types.FloatType():
            return f"a number{_bounds(found)}"
        case types.StrType():
            return f"a text{_length(found, 'character')}{_form(found)}"
        case types.VarTupleType() | types.ListType():
            return f"a list{_length(found, 'item')}"
        case types.DictType():
            return f"a table{_length(found, 'key')}"
        case types.StructType():
            return "a table"
        case types.UnionType():
            parts = [_allowed(_plain(one)) for one in found.types if not _is_none(one)]
            return " or ".join(parts) if all(parts) else ""
        case _:
            return ""


def _part(whole: types.Type, step: str | int) -> types.Type:
    """Return the type of a field of a structure, of an item of a list, or of a value of a table."""
    match whole:
        case types.StructType():
            return next((one.type for one in whole.fields if one.encode_name == step), whole)
        case types.VarTupleType() | types.ListType():
            return whole.item_type
        case types.DictType():
            return whole.value_type
        case _:
            return whole


def _plain(found: types.Type) -> types.Type:
    """Return the type without annotations, and without the None of an optional value."""
    match found:
        case types.Metadata():
            return _plain(found.type)
        case types.UnionType():
            others = [one for one in found.types if not _is_none(one)]
            return _plain(others[0]) if len(others) == 1 else found
        case _:
            return found


def _is_none(found: types.Type) -> bool:
    return isinstance(found, types.NoneType)


def _length(
    found: types.StrType | types.VarTupleType | types.ListType | types.DictType, part: str
) -> str:
    """Return the bounds of a length: " of at least 1 and at most 256 characters"."""
    least, most = found.min_length, found.max_length
    bounds = [] if not least else [f"at least {least}"]
    bounds += [] if most is None else [f"at most {most}"]
    last = least if most is None else most
    return f" of {' and '.join(bounds)} {part}{'s' * (last != 1)}" if bounds else ""


def _form(found: types.StrType) -> str:
    """Return the pattern of a text in words: " without control characters"."""
    if found.pattern is None:
        return ""
    return _WORDS.get(found.pattern, f" that matches {found.pattern}")


def _bounds(found: types.IntType | types.FloatType) -> str:
    """Return the bounds of a number: " >= 60, <= 86400, a multiple of 60"."""
    limits = ((">", found.gt), (">=", found.ge), ("<", found.lt), ("<=", found.le))
    parts = [f"{sign} {limit}" for sign, limit in limits if limit is not None]
    if found.multiple_of is not None:
        parts.append(f"a multiple of {found.multiple_of}")
    return f" {', '.join(parts)}" if parts else ""
