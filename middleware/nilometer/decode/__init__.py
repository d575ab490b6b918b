"""From bytes to named columns: one inference protocol a file."""

from nilometer.decode.columns import Block, Side
from nilometer.decode.exchange import decode_exchange

__all__ = ["Block", "Side", "decode_exchange"]
