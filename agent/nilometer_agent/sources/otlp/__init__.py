"""OTLP in: service metrics of servers that are instrumented already."""
