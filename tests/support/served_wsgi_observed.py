"""The WSGI application of the tests behind the middleware."""

from support.served_wsgi import app as bare

from nilometer import NilometerWSGIMiddleware

app = NilometerWSGIMiddleware(bare, entity="served")
