"""Proxies for servers that cannot use the middleware: they forward all bytes and observe a copy.

Proxies run in a process of their own, because profiling in the agent holds the interpreter for longer
than a request may wait. For each client connection, a proxy opens one connection to the server. It
forwards the bytes of either side unchanged, and a follower of the protocol (`http1`, `http2`) reads
them too. The follower sends its observations to the agent's socket, as a worker of the middleware does.
"""
