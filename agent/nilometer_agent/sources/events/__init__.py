"""Inference loggers as a source: CloudEvents of KServe and Seldon, and KServe's marshaller batches.

A logger sends the request and the response of a prediction as two events. The agent joins them by
their id within a time limit, and makes one observation from both, as the middleware does.
"""
