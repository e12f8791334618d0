"""What kinds exist, as tables: one row per resource, with its names, verbs and columns.

A CRD or a bound APIExport becomes the same `Resource` value at run time, so that nothing
downstream asks where a kind came from. Also here: the protobuf tables of built-in kinds.
"""
