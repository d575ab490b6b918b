"""Opens a channel to a collector's gRPC server, and creates the metadata with the token."""

from pathlib import Path
from typing import Any

import grpc

from nilometer.settings.credentials import SYSTEM, Credentials
from nilometer.settings.loopback import host_of
from nilometer.wire.services import CHANNEL_OPTIONS


def open_channel(address: str, credentials: Credentials) -> grpc.Channel:
    """Return a channel to *address*, ``host:port``; with TLS if the credentials name a CA.

    Raises:
        OSError: If a file cannot be read.
    """
    if not credentials.ca:
        return grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
    certificate = credentials.certificate
    secure = grpc.ssl_channel_credentials(
        None if credentials.ca == SYSTEM else Path(credentials.ca).read_bytes(),
        Path(credentials.key or certificate).read_bytes() if certificate else None,
        Path(certificate).read_bytes() if certificate else None,
    )
    options = list[tuple[str, Any]](CHANNEL_OPTIONS)
    if credentials.server_name:
        options.append(("grpc.ssl_target_name_override", credentials.server_name))
    return grpc.secure_channel(address, secure, options=options)


def call_metadata(address: str, credentials: Credentials) -> tuple[tuple[str, str], ...]:
    """Return the metadata for a call to *address*, including the token, if there is one.

    Raises:
        ConfigError: If the token would be sent without TLS.
        OSError: If the token's file cannot be read.
    """
    credentials.require_privacy(host_of(address), secure=bool(credentials.ca))
    bearer = credentials.bearer()
    return (("authorization", f"Bearer {bearer}"),) if bearer else ()
