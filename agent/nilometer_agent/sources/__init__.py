"""Sources of observations: workers, inference loggers, OTLP."""
