"""Recognises bodies and splits them into parts, for both decoders and redaction.

These modules import neither numpy nor a decoder, because redaction runs in the server's process.
"""
