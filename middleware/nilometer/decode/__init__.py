"""Decodes bytes to named columns. Each inference protocol has its own module."""

from nilometer.decode.body import decode_exchange
from nilometer.decode.columns import Block, Side
from nilometer.decode.custom import decoder
from nilometer.decode.facts import Facts, Protocol

__all__ = ["Block", "Facts", "Protocol", "Side", "decode_exchange", "decoder"]
