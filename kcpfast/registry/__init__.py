"""What can be done to an object: create, read, update, delete, list, watch.

Owns uid, generation, finalizers, preconditions and the index_hooks that a write carries along.
Called by api and controllers; knows the store through its contract, not through LMDB.
"""
