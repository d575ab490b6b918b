"""The sidecar: receive, merge, buffer, evaluate, ship, export."""
