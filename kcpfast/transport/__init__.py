"""Sockets in, bytes out: HTTP/1.1 over TLS, streaming answers, the outgoing client.

Knows requests and responses, nothing of Kubernetes. Called by server, which hands it one
coroutine `serve(request) -> response`.
"""
