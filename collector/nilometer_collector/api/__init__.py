"""The HTTP server: the API, its OpenAPI document, and the pages."""

from nilometer_collector.api.app import make_app

__all__ = ["make_app"]
