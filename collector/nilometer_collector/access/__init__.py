"""Principals, listening addresses and secrets."""
