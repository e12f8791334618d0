"""Measures a whole server from outside: any kcp-compatible one that a kubeconfig names.

One process, bounded in count and time; see __main__ for the runs there are.
"""
