"""Converts the dictionary of a reference's categories to protobuf and back."""

from nilometer.profile.category import DICTIONARY_HASHES, DICTIONARY_NAMES, Dictionary
from nilometer.v1 import summary_pb2 as pb


def dictionary_to_wire(dictionary: Dictionary) -> pb.Dictionary:
    """Return a dictionary as a message."""
    return pb.Dictionary(
        names=[name.encode("utf-8", "replace").decode() for name in dictionary.names],
        hashes=dictionary.hashes,
        complete=dictionary.complete,
    )


def dictionary_from_wire(message: pb.Dictionary) -> Dictionary:
    """Return the dictionary in a message.

    Raises:
        ValueError: If the dictionary is larger than a reference may publish.
    """
    if len(message.names) > DICTIONARY_NAMES or len(message.hashes) > DICTIONARY_HASHES:
        raise ValueError(
            f"a dictionary has at most {DICTIONARY_NAMES} names and {DICTIONARY_HASHES} hashes"
        )
    return Dictionary(tuple(message.names), tuple(message.hashes), message.complete)
