"""One file for each command: start, ws, kcp, and the kubectl plugins by their names."""
