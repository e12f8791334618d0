"""One file for each thing a client may do to a resource."""
