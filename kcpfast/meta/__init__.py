"""The words of the Kubernetes API, as values and pure functions.

Errors and Status, names, selectors, quantities, object metadata, cluster paths, tables.
Every room above speaks in these words; the room itself knows no storage, no sockets, no time
that it was not given.
"""
