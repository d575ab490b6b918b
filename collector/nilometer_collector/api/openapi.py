"""Makes the OpenAPI 3.1 document from the operations and the types of their bodies.

The document matches the checks: types come from the structures, and bounds and allowed words from
the constants of the checks.
"""

import http
from collections.abc import Callable, Iterable, Mapping

import msgspec

import nilometer
from nilometer.values.time_zone import zone_names
from nilometer_collector.alerting.definitions import AlerterDefinition, AlerterView
from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.alerting.routes import RouteDefinition
from nilometer_collector.alerting.schema import (
    SEVERITY,
    Schema,
    alerter_schema,
    channel_schema,
    target_schema,
)
from nilometer_collector.alerting.targets import TargetDefinition
from nilometer_collector.api.body import MAX_BODY_BYTES
from nilometer_collector.api.forms import JSON, Form
from nilometer_collector.api.operation import Operation
from nilometer_collector.api.parameters import Parameter
from nilometer_collector.api.problems import MEDIA_TYPE, Problem
from nilometer_collector.api.query_parameters import MAX_QUERY_BYTES
from nilometer_collector.api.resources.alerters import PutAlerter
from nilometer_collector.api.resources.episodes import EpisodeView
from nilometer_collector.declared.entities import EntityDefinition, EntityObject
from nilometer_collector.declared.receivers import ReceiverObject, TargetObject


def _entity_schema() -> Schema:
    return {
        "properties": {
            "time_zone": {"enum": sorted(zone_names())},
            "reads_from": {"uniqueItems": True},
        }
    }


# Constraints beyond the types of the fields. They are functions, so that a document includes the
# kinds that other packages have registered.
_REFINEMENTS: Mapping[type, Callable[[], Schema]] = {
    AlerterView: alerter_schema,
    AlerterDefinition: alerter_schema,
    PutAlerter: alerter_schema,
    EntityDefinition: _entity_schema,
    EntityObject: _entity_schema,
    RouteDefinition: lambda: {
        "properties": {
            "time_zone": {"enum": sorted(zone_names())},
            "days": {"uniqueItems": True},
        }
    },
    ChannelDefinition: channel_schema,
    TargetDefinition: target_schema,
    ReceiverObject: lambda: channel_schema(secret={}),  # a text or a fingerprint
    TargetObject: lambda: target_schema(secret={}),
    EpisodeView: lambda: {"properties": {"severity": SEVERITY}},
}
_REFERENCES = "#/components/schemas/{name}"


def document(operations: Iterable[Operation]) -> dict[str, object]:
    """Make the OpenAPI document of *operations*."""
    table = list(operations)
    kinds: list[type] = [Problem]
    for operation in table:
        kinds += [kind for kind in (operation.answer, operation.body) if kind is not None]
    distinct = list(dict.fromkeys(kinds))
    schemas, components = msgspec.json.schema_components(distinct, ref_template=_REFERENCES)
    for kind, refinement in _REFINEMENTS.items():
        if kind.__name__ in components:
            components[kind.__name__] = _refined(components[kind.__name__], refinement())
    schema_of = dict(zip(distinct, schemas, strict=True))
    paths: dict[str, dict[str, object]] = {}
    for operation in table:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(
            operation, schema_of
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nilometer collector",
            "version": nilometer.__version__,
            "description": "Times are Unix seconds, UTC. Windows are half-open. A number that does "
            "not exist is null. Errors are RFC 9457 problem details. A query string may have at "
            f"most {MAX_QUERY_BYTES} bytes, and a body at most {MAX_BODY_BYTES} bytes.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items()))},
    }


def _refined(schema: Schema, more: Schema) -> Schema:
    """Merge *more* into *schema*, field by field; a ``type`` in *more* replaces ``anyOf``."""
    merged = {key: value for key, value in schema.items() if key != "anyOf" or "type" not in more}
    for key, value in more.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            merged[key] = _refined(known, value)
        else:
            merged[key] = value
    return merged


def _described(operation: Operation, schema_of: dict[type, dict[str, object]]) -> dict[str, object]:
    responses: dict[str, object] = {
        str(status): _answer(http.HTTPStatus(status).phrase, MEDIA_TYPE, schema_of[Problem])
        for status in operation.errors
    }
    if operation.method == "GET":
        responses["304"] = {"description": "The client already has this answer (If-None-Match)."}
    if operation.forms:
        problem = schema_of[Problem]
        responses["406"] = _answer(http.HTTPStatus(406).phrase, MEDIA_TYPE, problem)
    if operation.answer is None:
        responses["204"] = {"description": "Success, without a body."}
    else:
        schema = schema_of[operation.answer]
        responses["200"] = _answer("Success.", JSON, schema, *operation.forms)
    described: dict[str, object] = {
        "operationId": operation.name,
        "summary": operation.about,
        "parameters": [_parameter(parameter) for parameter in operation.parameters],
        "responses": dict(sorted(responses.items())),
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[operation.body]}},
        }
    return described


def _answer(
    about: str, media_type: str, schema: dict[str, object], *forms: Form
) -> dict[str, object]:
    """Return a response with a *schema* in one media type, and as bytes in other *forms*."""
    content: dict[str, object] = {media_type: {"schema": schema}}
    content |= {form.media_type: {} for form in forms}
    return {"description": about, "content": content}


def _parameter(parameter: Parameter[object]) -> dict[str, object]:
    schema: dict[str, object] = dict(parameter.described())
    if parameter.repeated:
        schema = {"type": "array", "items": schema, "maxItems": parameter.most}
        if parameter.required:
            schema["minItems"] = 1
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.about,
        "schema": schema,
    }
