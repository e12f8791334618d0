"""The commands of `kubectl kcp` about APIs: snapshots, bindings, permission claims, quickstart."""
