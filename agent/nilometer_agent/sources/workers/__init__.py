"""Workers of model servers as a source, over plain frames or gRPC."""
