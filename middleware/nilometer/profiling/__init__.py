"""Turns columns into profiles: code that the agent, workers, batch jobs and Spark share."""
