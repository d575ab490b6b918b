"""Sketches <-> protobuf, one module a sketch."""
