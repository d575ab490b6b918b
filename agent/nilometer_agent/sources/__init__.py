"""Where observations come from: workers, inference loggers, OTLP."""
