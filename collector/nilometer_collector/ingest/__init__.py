"""The gRPC server: receives rows from agents and sends plans to them."""
