"""What makes this kcp: workspaces and their types, exports and bindings, identities, claims.

Adds its own admission, authorization and index_hooks to the rooms below; `views/` holds the
virtual workspaces.
"""
