"""Converts contents of samples to protobuf and back, with one codec per content type."""
