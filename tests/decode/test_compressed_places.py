"""The places of messages in a compressed body are found in bounded work."""

import gzip
import sys
from collections.abc import Callable

import pytest

from nilometer.decode.compressed_places import decoded_places
from nilometer.decode.encodings import MAX_MEMBERS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_members_are_counted_over_the_whole_body(
    coding: str, compress: Callable[[bytes], bytes]
) -> None:
    member, empty = compress(b"ab"), compress(b"")
    most = [member] * MAX_MEMBERS
    ends = [len(member) * (at + 1) for at in range(MAX_MEMBERS)]
    assert decoded_places(b"".join(most), coding, ends) == [
        2 * (at + 1) for at in range(MAX_MEMBERS)
    ]
    more = b"".join([*most, empty])
    assert decoded_places(more, coding, [*ends, len(more)]) is None
    assert decoded_places(empty * 1000, coding, [len(empty) * 1000]) is None
