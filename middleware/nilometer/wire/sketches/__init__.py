"""Converts sketches to protobuf and back, one module per sketch."""
