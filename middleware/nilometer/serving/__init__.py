"""Servers that no peer can hold: bounded in number, every wait timed, and the longest wait makes room."""
