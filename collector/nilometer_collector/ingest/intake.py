"""What the gRPC server parses: a request with a bounded number of messages, or none.

The bytes are counted before they are parsed. What breaks the bound, or is no such message, is
answered INVALID_ARGUMENT with the reason, and the next call is served.
"""

from collections.abc import Callable
from typing import Any

import grpc

from nilometer.wire.lean import MAX_MESSAGES, is_lean
from nilometer.wire.parse import parsed
from nilometer.wire.services import GetPlanRequest, Reference, ShipRequest


class Intake(grpc.ServerInterceptor):
    """Parses in place of gRPC, which would answer INTERNAL, for which an agent tries again."""

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of a call, with the bytes of each request looked at first."""
        handler = continuation(handler_call_details)
        kind = KINDS.get(handler_call_details.method.rpartition("/")[2])
        if handler is None or kind is None or handler.unary_unary is None:
            return handler
        answer = handler.unary_unary

        def looked_at(content: bytes, context: grpc.ServicerContext) -> Any:
            if not is_lean(content, kind):
                context.abort(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"a request may hold {MAX_MESSAGES} messages: send fewer rows at once",
                )
            try:
                request = parsed(kind, content)
            except ValueError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            return answer(request, context)

        return grpc.unary_unary_rpc_method_handler(
            looked_at, response_serializer=handler.response_serializer
        )


KINDS: dict[str, Any] = {"Ship": ShipRequest, "GetPlan": GetPlanRequest, "PutReference": Reference}
