"""Converts contents of samples to protobuf and back: one codec per content type."""
