"""Servers that a peer cannot block: connections and waits are bounded, the longest wait ends."""
