"""Rows in from agents, plans out to them, over gRPC."""
