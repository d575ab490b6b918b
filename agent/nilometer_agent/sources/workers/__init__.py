"""The workers of model servers: plain frames, and gRPC for every other client."""
