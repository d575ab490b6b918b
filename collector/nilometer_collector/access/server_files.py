"""Loads the certificate, key and client CA of the gRPC server, again after each change."""

import logging
from pathlib import Path

import grpc

from nilometer.values.errors import ConfigError

log = logging.getLogger("nilometer.collector")


class ServerFiles:
    """Certificate, key and client CA of a server, loaded again when one of the files changes.

    Args:
        certificate: Path of the certificate with its chain, PEM.
        key: Path of the private key, PEM.
        client_ca: Path of the CA certificates that sign client certificates, PEM; empty if
            clients need no certificate.
    """

    def __init__(self, certificate: str, key: str, client_ca: str) -> None:
        self._paths = [Path(path) for path in (certificate, key, client_ca) if path]
        self._asks = bool(client_ca)
        self._stamp = self._stamps()

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials for a port. New connections use the files' current content.

        Raises:
            ConfigError: If a file cannot be read.
        """
        try:
            first = self._read()
        except OSError as error:
            raise ConfigError(f"{error.filename}: {error.strerror}") from error
        return grpc.dynamic_ssl_server_credentials(
            first,
            self._newer,  # type: ignore[arg-type]  # None means that nothing changed
            require_client_authentication=self._asks,
        )

    def _read(self) -> grpc.ServerCertificateConfiguration:
        certificate, key, *ca = [path.read_bytes() for path in self._paths]
        return grpc.ssl_server_certificate_configuration(
            [(key, certificate)], root_certificates=ca[0] if ca else None
        )

    def _stamps(self) -> list[tuple[int, int, int]]:
        found = [path.stat() for path in self._paths if path.exists()]
        return [(there.st_ino, there.st_mtime_ns, there.st_size) for there in found]

    def _newer(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the changed configuration, or None. gRPC calls this for each connection."""
        try:
            stamp = self._stamps()
            if stamp == self._stamp:
                return None
            configuration = self._read()
        except OSError as error:  # a rotation may still be incomplete
            log.warning(
                "cannot read the certificate files, keeping the old ones: correct the files",
                extra={"reason": str(error)},
            )
            return None
        self._stamp = stamp
        log.info("new certificates loaded")
        return configuration
