"""The connection to the collector: shipping rows and fetching the plan."""
