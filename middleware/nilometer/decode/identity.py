"""Which prediction an exchange was: what joins it with its ground truth."""

from collections.abc import Mapping

from nilometer.decode.facts import MAX_ID, Facts

HEADERS = ("ce-id", "x-request-id")  # in this order
_TRACE_PARENT = "traceparent"
_TRACE_DIGITS = 32  # of a trace id, W3C Trace Context


def prediction_id(
    request: Facts | None,
    response: Facts | None,
    request_headers: Mapping[str, str],
    response_headers: Mapping[str, str],
) -> str:
    """The id of a prediction: of the bodies, then of headers, then of the trace; or empty.

    The request's comes before the response's, since the client knows it for sure.

    Args:
        request: Of the request's body; None where it was not decoded.
        response: Of the response's body; None where it was not decoded.
        request_headers: By name in lower case.
        response_headers: By name in lower case.
    """
    for facts in (request, response):
        if facts is not None and facts.prediction_id:
            return facts.prediction_id
    for headers in (request_headers, response_headers):
        for name in HEADERS:
            if headers.get(name):
                return headers[name][:MAX_ID]
    parts = request_headers.get(_TRACE_PARENT, "").split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == _TRACE_DIGITS else ""
