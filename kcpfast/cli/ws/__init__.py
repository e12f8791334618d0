"""The commands about workspaces, one file each; what is pure of them in `places` and `contexts`."""
