"""Loops that finish what requests began.

A reconciler is a function `reconcile(cluster, name) -> Done | Again(after)`. What it works through
are durable marks, set in the transaction of the write that made the work, never a list of all.
"""
