"""Contents of samples <-> protobuf: one codec a content type, and their registry."""
