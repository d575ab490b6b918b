"""Converts domain values to protobuf and back; only this room imports `nilometer.v1`.

`services` is small and is imported in model servers; the other modules need numpy.
"""
