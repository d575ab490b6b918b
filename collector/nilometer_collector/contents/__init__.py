"""Contents of samples as the HTTP API shows them: one module a content type."""
