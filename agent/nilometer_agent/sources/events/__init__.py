"""Inference loggers as a source: CloudEvents of KServe and Seldon, and KServe's marshaller batches.

A logger sends the request and the response of a prediction as two events. They are joined by their id
within a time limit and become one observation, as if a middleware had seen the exchange.
"""
