"""What the commands need of a client: kubeconfig files, credentials, TLS, a session over HTTP.

Imports that take long (ssl, http.client) happen when they are needed, not before.
"""
