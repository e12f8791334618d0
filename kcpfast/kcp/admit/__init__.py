"""kcp's admission: what workspaces, exports, bindings and their kin may be, one file a subject."""
