"""OTLP as a source: service metrics of servers that already have OpenTelemetry instrumentation."""
