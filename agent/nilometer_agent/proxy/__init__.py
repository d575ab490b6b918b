"""The agent in front of a server that cannot take the middleware: bytes pass, a copy is read.

A proxy is a process of its own beside the agent's, because profiling holds the interpreter for
longer than a request may wait. Each client's connection has one to the server: what one side sends
goes to the other as it came, and followers of the protocol (`http1`, `http2`) read along. What they
see goes to the agent over its socket, by the same path as from a worker of the middleware.
"""
