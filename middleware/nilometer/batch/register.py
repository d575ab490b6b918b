"""Registering references at the collector."""

import grpc

from nilometer.profile import Reference
from nilometer.values.errors import BatchRejected, CollectorUnavailable
from nilometer.wire.references import reference_to_wire
from nilometer.wire.services import CHANNEL_OPTIONS, collector_stub

DEADLINE_SECONDS = 10.0


def put_reference(reference: Reference, collector: str) -> None:
    """Send *reference* to the collector at ``host:port``.

    Raises:
        CollectorUnavailable: If it does not answer.
        BatchRejected: If it refuses the reference.
    """
    with grpc.insecure_channel(collector, options=CHANNEL_OPTIONS) as channel:
        try:
            collector_stub(channel).PutReference(
                reference_to_wire(reference), timeout=DEADLINE_SECONDS
            )
        except grpc.RpcError as error:
            code, why = error.code(), error.details()
            if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
                raise CollectorUnavailable(f"no collector answers at {collector}") from error
            raise BatchRejected(f"the collector refused the reference: {why}") from error
