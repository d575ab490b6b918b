"""The name of a collector's store, by which an import recognizes the store of its file."""

import hashlib

_BYTES = 16


def store_name(names_key: bytes) -> str:
    """Return the name of the store with this key of pseudonyms; empty without a key.

    A store and its backups have the same key, so they have the same name. The name does not reveal
    the key.
    """
    if not names_key:
        return ""
    return hashlib.blake2b(b"store", key=names_key, digest_size=_BYTES).hexdigest()
