"""Converts domain values to protobuf and back: the only importer of `nilometer.v1`.

`services` is small and is imported by the model server's process; the others need numpy.
"""
