"""Describes the allowed values of a setting in words, from its type."""

from collections.abc import Iterable

import msgspec
import msgspec.inspect as types


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
    match found:
        case types.LiteralType():
            return f"must be one of {', '.join(map(repr, found.values))}"
        case types.BoolType():
            return "must be true or false"
        case types.IntType():
            return f"must be a whole number{_bounds(found)}"
        case types.FloatType():
            return f"must be a number{_bounds(found)}"
        case types.StrType():
            return f"must be a text{_form(found)}"
        case types.VarTupleType() | types.ListType():
            return "must be a list"
        case types.DictType() | types.StructType():
            return "must be a table"
        case _:
            return why


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
            others = [one for one in found.types if not isinstance(one, types.NoneType)]
            return _plain(others[0]) if len(others) == 1 else found
        case _:
            return found


def _form(found: types.StrType) -> str:
    """Return the length and the pattern of a text: " of at most 256 characters"."""
    most = f" of at most {found.max_length} characters" if found.max_length is not None else ""
    return most + (f" that matches {found.pattern}" if found.pattern is not None else "")


def _bounds(found: types.IntType | types.FloatType) -> str:
    """Return the bounds of a number: " >= 60, <= 86400, a multiple of 60"."""
    limits = ((">", found.gt), (">=", found.ge), ("<", found.lt), ("<=", found.le))
    parts = [f"{sign} {limit}" for sign, limit in limits if limit is not None]
    if found.multiple_of is not None:
        parts.append(f"a multiple of {found.multiple_of}")
    return f" {', '.join(parts)}" if parts else ""
