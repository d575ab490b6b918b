"""Write the pages' types of the HTTP API from the collector's OpenAPI document; with --check, compare.

A collector is started on an empty database and asked for the document that it serves. The document
uses a small part of JSON Schema, which `type_of` turns into TypeScript; any other part is an error.
"""

import argparse
import contextlib
import http.client
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from nilometer_collector.testing import running

TARGET = Path(__file__).resolve().parent.parent / "collector" / "web" / "src" / "api" / "types.ts"
HEAD = (
    "/** The answers of the HTTP API. Generated from its OpenAPI document by `make web-api`. */\n"
)
SIMPLE = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
}

Schema: TypeAlias = Mapping[str, object]


def schema_at(value: object) -> Schema:
    """The nested schema *value*."""
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a schema, got {value!r}")
    return value


def interface_name(schema_name: str) -> str:
    """The name in TypeScript: `EntityView` is an `Entity` to the pages."""
    return schema_name.removesuffix("View")


def type_of(schema: Schema) -> str:
    """The TypeScript type of the values that *schema* allows."""
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
        case {"type": str(kind)} if kind in SIMPLE:
            return SIMPLE[kind]
    raise ValueError(f"no TypeScript type is known for {json.dumps(schema)}")


def interface(name: str, schema: Schema) -> str:
    """The interface of one schema, with its description.

    The collector sends every property that has a value or a default. A property that is neither
    required nor has a default may be left out.
    """
    required = schema.get("required")
    always = set(required) if isinstance(required, list) else set()
    lines = []
    for key, value in schema_at(schema["properties"]).items():
        sent = key in always or "default" in schema_at(value)
        lines.append(f"  {key}{'' if sent else '?'}: {type_of(schema_at(value))};")
    description = str(schema["description"]).replace("``", "`")
    return "\n".join(
        (f"/** {description} */", f"export interface {interface_name(name)} {{", *lines, "}\n")
    )


def answer_schemas(document: Schema) -> dict[str, Schema]:
    """The schemas that answers use, by name; those of requests alone are left out."""
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
    """The names of all schemas that *value* refers to."""
    if isinstance(value, Mapping):
        nested = [name for each in value.values() for name in references(each)]
        reference = value.get("$ref")
        return [reference.rpartition("/")[2], *nested] if isinstance(reference, str) else nested
    if isinstance(value, list):
        return [name for each in value for name in references(each)]
    return []


def served_document() -> Schema:
    """The OpenAPI document of a collector with an empty database."""
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
    """The whole file."""
    schemas = answer_schemas(served_document())
    return "\n".join((HEAD, *(interface(name, schema) for name, schema in schemas.items())))


def main() -> None:
    """Write, or compare."""
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
