"""Virtual workspaces: each a filter over the registry plus an authorizer, not another server."""
