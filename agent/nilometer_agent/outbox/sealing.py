"""Encryption of logged predictions on the disk: AES-256-GCM with the key of a file.

A sealed payload is a mark, a random nonce of 12 bytes, and the ciphertext with its tag. A payload
without the mark is not encrypted, so a key can be introduced while predictions wait.
"""

import base64
import binascii
import secrets
from pathlib import Path
from typing import Protocol

from nilometer.values.errors import ConfigError

MARK = b"\xff\x01"  # no protobuf message begins with this byte
NONCE_BYTES = 12
KEY_BYTES = 32


class CannotOpen(Exception):
    """A payload was encrypted with another key, or was changed."""


class Seal(Protocol):
    """Encrypts and decrypts payloads."""

    def seal(self, payload: bytes) -> bytes:
        """Return *payload* as it is stored."""
        ...

    def open(self, stored: bytes) -> bytes:
        """Return the payload that was *stored*.

        Raises:
            CannotOpen: If the key does not fit.
        """
        ...


class NoSeal:
    """Stores payloads as they are."""

    def seal(self, payload: bytes) -> bytes:
        """Return *payload*."""
        return payload

    def open(self, stored: bytes) -> bytes:
        """Return the payload.

        Raises:
            CannotOpen: If it is encrypted.
        """
        if stored.startswith(MARK):
            raise CannotOpen("it is encrypted, and no key is set")
        return stored


class KeySeal:
    """Encrypts payloads with a key.

    Args:
        key: 32 random bytes.

    Raises:
        ConfigError: If the package for encryption is missing.
    """

    def __init__(self, key: bytes) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise ConfigError(
                "prediction_log_key_file: needs encryption: pip install 'nilometer[encryption]'"
            ) from error
        self._cipher = AESGCM(key)
        self._invalid = InvalidTag

    def seal(self, payload: bytes) -> bytes:
        """Return *payload* encrypted."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return MARK + nonce + self._cipher.encrypt(nonce, payload, MARK)

    def open(self, stored: bytes) -> bytes:
        """Return the payload; one that was stored without a key is returned as it is.

        Raises:
            CannotOpen: If it was encrypted with another key, or was changed.
        """
        if not stored.startswith(MARK):
            return stored
        start = len(MARK) + NONCE_BYTES
        try:
            return self._cipher.decrypt(stored[len(MARK) : start], stored[start:], MARK)
        except (self._invalid, ValueError) as error:
            raise CannotOpen("it was encrypted with another key") from error


def seal_of(key_file: str) -> Seal:
    """Return the seal with the key in *key_file*; without a file, one that does not encrypt.

    Raises:
        ConfigError: If the file is unreadable or has no key, or the package for encryption is missing.
    """
    if not key_file:
        return NoSeal()
    try:
        content = Path(key_file).read_bytes()
    except OSError as error:
        raise ConfigError(f"prediction_log_key_file = {key_file!r}: {error.strerror}") from error
    key = content
    if len(content) != KEY_BYTES:
        try:
            key = base64.b64decode(content.strip(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"prediction_log_key_file = {key_file!r}: must contain 32 random bytes, plain or as "
            "base64: head -c 32 /dev/urandom | base64 > FILE"
        )
    return KeySeal(key)
