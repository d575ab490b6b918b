"""Servers that no client can block, because connections and waits are limited."""
