"""Contents of samples as the HTTP API shows them: one module for each content type."""
