"""Generate the pages' API types from the collector's OpenAPI document; --check only compares.

A collector is started on an empty database and asked for the document that it serves. The document
uses a small part of JSON Schema, which `type_of` turns into TypeScript; any other part is an error.
A field keeps the comment that it has in the collector's source, such as its unit.
"""

import argparse
import ast
import contextlib
import http.client
import inspect
import io
import json
import sys
import tempfile
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import msgspec

from nilometer_collector.testing import running

TARGET = Path(__file__).resolve().parent.parent / "collector" / "web" / "src" / "api" / "types.ts"
HEAD = """/**
 * Requests and responses of the HTTP API. Generated from its OpenAPI document by `make web-api`.
 *
 * {about}
 */
"""
SIMPLE = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
}

Schema: TypeAlias = Mapping[str, object]
Comments: TypeAlias = Mapping[str, str]  # comments, by name of the field


def schema_at(value: object) -> Schema:
    """The nested schema *value*."""
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a schema, got {value!r}")
    return value


def interface_name(schema_name: str) -> str:
    """The name in TypeScript: `EntityView` is an `Entity` to the pages."""
    return schema_name.removesuffix("View")


def type_of(schema: Schema) -> str:
    """Return the TypeScript type of the values that *schema* allows."""
    match schema:
        case {"$ref": str(reference)}:
            return interface_name(reference.rpartition("/")[2])
        case {"enum": list(values)}:
            return " | ".join(json.dumps(value) for value in values)
        case {"anyOf": list(choices)}:
            return " | ".join(type_of(schema_at(choice)) for choice in choices)
        case {"type": "array", "items": items}:
            item = type_of(schema_at(items))
            return f"({item})[]" if " | " in item else f"{item}[]"
        case {"type": "object", "additionalProperties": values}:
            return f"Record<string, {type_of(schema_at(values))}>"
        case {"type": "object"}:
            return "Record<string, unknown>"
        case {"type": str(kind)} if kind in SIMPLE:
            return SIMPLE[kind]
    raise ValueError(f"no TypeScript type is known for {json.dumps(schema)}")


def field(name: str, kind: str, comment: str, indent: str = "  ") -> str:
    """Return one line of an interface; *name* ends with a question mark if it may be left out."""
    return f"{indent}{name}: {kind};{f' // {comment}' if comment else ''}"


def interface(name: str, schema: Schema, comments: Comments) -> str:
    """Return the interface of one schema, with its description and the *comments* of its fields.

    The collector sends every property that has a value or a default. A property that is neither
    required nor has a default may be left out.
    """
    required = schema.get("required")
    always = set(required) if isinstance(required, list) else set()
    lines = []
    for key, value in schema_at(schema["properties"]).items():
        sent = key in always or "default" in schema_at(value)
        name_in_type = key if sent else f"{key}?"
        lines.append(field(name_in_type, type_of(schema_at(value)), comments.get(key, "")))
    description = str(schema["description"]).replace("``", "`")
    return "\n".join(
        (f"/** {description} */", f"export interface {interface_name(name)} {{", *lines, "}\n")
    )


def reads(document: Schema) -> str:
    """Return the interface with the query and the response of every path that can be read."""
    lines = [
        "/** What may be read: the query parameters and the answer of each path. */",
        "export interface Reads {",
    ]
    for path, operations in schema_at(document["paths"]).items():
        operation = schema_at(operations).get("get")
        if operation is not None:
            lines += read(path, schema_at(operation))
    return "\n".join((*lines, "}\n"))


def read(path: str, operation: Schema) -> Iterator[str]:
    """Return the lines of one path of `Reads`."""
    parameters = operation["parameters"]
    if not isinstance(parameters, list):
        raise TypeError(f"expected parameters, got {parameters!r}")
    yield f"  /** {operation['summary']} */"
    yield f'  "{path}": {{'
    if parameters:
        yield "    query: {"
        yield from (query_field(schema_at(parameter)) for parameter in parameters)
        yield "    };"
    else:
        yield "    query: Record<string, never>;"
    success = schema_at(schema_at(operation["responses"])["200"])
    content = schema_at(schema_at(success["content"])["application/json"])
    yield f"    answer: {type_of(schema_at(content['schema']))};"
    yield "  };"


def query_field(parameter: Schema) -> str:
    """Return the line of one query parameter; an optional one may also be undefined."""
    name, kind = str(parameter["name"]), type_of(schema_at(parameter["schema"]))
    if kind.endswith("[]"):
        kind = f"readonly {kind}"
    if not parameter["required"]:
        name, kind = f"{name}?", f"{kind} | undefined"
    return field(name, kind, str(parameter["description"]), " " * 6)


def structures(parent: type = msgspec.Struct) -> Iterator[type]:
    """Return every structure of the collector, and the base of the views of extensions."""
    for each in parent.__subclasses__():
        if each.__module__.startswith(("nilometer_collector.", "nilometer.kinds")):
            yield each
        yield from structures(each)


def field_comments(structure: type) -> Comments:
    """Return the comments at the ends of the fields of *structure*, from its source."""
    source = inspect.getsource(structure)
    by_line = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    return {
        node.target.id: by_line[node.lineno]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.lineno in by_line
    }


def answer_schemas(document: Schema) -> dict[str, Schema]:
    """Return the schemas of responses by name, without schemas that only requests use."""
    schemas = schema_at(schema_at(document["components"])["schemas"])
    waiting = [
        name
        for path in schema_at(document["paths"]).values()
        for operation in schema_at(path).values()
        for name in references(schema_at(operation)["responses"])
    ]
    found: dict[str, Schema] = {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = schema_at(schemas[name])
            waiting += references(found[name])
    return dict(sorted(found.items()))


def references(value: object) -> list[str]:
    """Return the names of all schemas that *value* refers to."""
    if isinstance(value, Mapping):
        nested = [name for each in value.values() for name in references(each)]
        reference = value.get("$ref")
        return [reference.rpartition("/")[2], *nested] if isinstance(reference, str) else nested
    if isinstance(value, list):
        return [name for each in value for name in references(each)]
    return []


def served_document() -> Schema:
    """Return the OpenAPI document of a collector with an empty database."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running(Path(directory) / "collector.db") as served,
    ):
        address = urlsplit(served.collector.http_url).netloc
        connection = http.client.HTTPConnection(address, timeout=10)  # seconds
        with contextlib.closing(connection):
            connection.request("GET", "/openapi.json")
            return schema_at(json.load(connection.getresponse()))


def types() -> str:
    """Return the text of the file."""
    document = served_document()
    schemas = answer_schemas(document)
    structure_named = {structure.__name__: structure for structure in structures()}
    about = textwrap.wrap(str(schema_at(document["info"])["description"]), 96)
    head = HEAD.format(about="\n * ".join(about))
    interfaces = (
        interface(name, schema, field_comments(structure_named[name]))
        for name, schema in schemas.items()
    )
    return "\n".join((head, *interfaces, reads(document)))


def main() -> None:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 on a difference"
    )
    if not parser.parse_args().check:
        TARGET.write_text(types())
    elif TARGET.read_text() != types():
        sys.exit("src/api/types.ts differs from the OpenAPI document; run `make web-api`")
    else:
        print("src/api/types.ts is up to date")


if __name__ == "__main__":
    main()
