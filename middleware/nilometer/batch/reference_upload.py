"""Uploads references to the collector."""

import time

import grpc

from nilometer.profile import Reference
from nilometer.settings.credentials import NO_CREDENTIALS, Credentials
from nilometer.values.errors import BatchRejected, CollectorUnavailable
from nilometer.wire.channel import call_metadata, open_channel
from nilometer.wire.references import reference_to_wire
from nilometer.wire.services import collector_stub

DEADLINE_SECONDS = 10.0  # of one attempt
RETRY_SECONDS = (1.0, 2.0)  # between attempts, if the collector is unavailable

_UNAVAILABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


def put_reference(
    reference: Reference, collector: str, credentials: Credentials = NO_CREDENTIALS
) -> None:
    """Send *reference* to the collector at ``host:port``, with *credentials*.

    Makes three attempts if the collector does not answer.

    Raises:
        ConfigError: If the token would be sent without TLS.
        CollectorUnavailable: If the collector does not answer; the message has gRPC's reason.
        BatchRejected: If the collector refuses the reference.
    """
    metadata, message = call_metadata(collector, credentials), reference_to_wire(reference)
    with open_channel(collector, credentials) as channel:
        stub = collector_stub(channel)
        for seconds in (*RETRY_SECONDS, None):
            try:
                stub.PutReference(message, timeout=DEADLINE_SECONDS, metadata=metadata)
            except grpc.RpcError as error:
                why = error.details()
                if error.code() not in _UNAVAILABLE:
                    raise BatchRejected(f"the collector refused the reference: {why}") from error
                if seconds is None:
                    raise CollectorUnavailable(
                        f"no collector answers at {collector}: {why}"
                    ) from error
                time.sleep(seconds)
            else:
                return
