"""Checks the query of a request: unknown, repeated and out-of-bounds parameters are refused."""

from collections.abc import Sequence
from typing import TypeVar

from starlette.requests import Request

from nilometer_collector.api.parameters import Parameter
from nilometer_collector.api.problems import ApiError
from nilometer_collector.limits.bounds import has_control

MAX_QUERY_BYTES = 16 << 10

V = TypeVar("V")


class QueryParameters:
    """The query parameters of a request, checked against the *declared* parameters.

    Raises:
        ApiError: 422 if a parameter is not allowed; the detail names it.
    """

    def __init__(self, request: Request, declared: Sequence[Parameter[object]]) -> None:
        if len(request.scope["query_string"]) > MAX_QUERY_BYTES:
            raise ApiError(422, f"the query is over {MAX_QUERY_BYTES} bytes")
        by_name = {parameter.name: parameter for parameter in declared}
        self._texts: dict[str, list[str]] = {}
        for name, text in request.query_params.multi_items():
            parameter = by_name.get(name)
            if parameter is None:
                known = ", ".join(sorted(by_name)) or "none"
                detail = f"{name[:64]!r}: unknown parameter; known parameters: {known}"
                raise ApiError(422, detail, name)
            if has_control(text):
                raise parameter.refused("must not contain control characters")
            texts = self._texts.setdefault(name, [])
            texts.append(text)
            if len(texts) > (parameter.most if parameter.repeated else 1):
                raise parameter.refused("is repeated too often")
        for parameter in declared:
            if parameter.required and parameter.name not in self._texts:
                raise parameter.refused("is required")

    def value(self, parameter: Parameter[V]) -> V:
        """Return the value of *parameter*, which must be declared.

        Raises:
            ApiError: 422 if the value is not allowed; the detail names the parameter.
        """
        return parameter.read(self._texts.get(parameter.name, ()))
