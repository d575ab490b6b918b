"""Domain <-> protobuf: the only importer of `nilometer.v1`.

`services` is light and serves the model server's process; the others need numpy.
"""
