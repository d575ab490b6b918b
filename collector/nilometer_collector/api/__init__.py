"""The HTTP server: the API, its OpenAPI document, and the pages. `api.app.make_app` makes it."""
