"""One writer, many readers: fans committed events out to open watches.

Indexed by storage, cluster, namespace and name, so that an event touches only the watches that
could want it. A reader that cannot keep up is cut off, never silently starved.
"""
