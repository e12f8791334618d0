"""What makes this kcp: workspaces and their types, exports and bindings, identities, claims.

Adds its own admission, authorization and consequences to the rooms below; `views/` holds the
virtual workspaces.
"""
