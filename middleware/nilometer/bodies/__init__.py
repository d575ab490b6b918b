"""Recognises bodies and splits them into parts, for the decoders and for redaction alike.

Imports neither numpy nor a decoder, because redaction runs in the server's process.
"""
