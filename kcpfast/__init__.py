"""A kcp-compatible control plane: the Kubernetes API without workloads, cut into workspaces.

One process, one data directory. The rooms below are layered; README.md, "Map of the code",
says what each is for and who may import whom.
"""

__version__ = "0.1.0"
