"""The form of sample contents in the HTTP API, with one module for each content type."""
