"""A kcp-compatible control plane: the Kubernetes API without workloads, cut into workspaces.

One process, one data directory. The rooms below are layered; README.md, "Map of the code",
says what each is for and who may import whom.
"""

__version__ = "0.1.0"

# typing is not imported for its TYPE_CHECKING: `import kcpfast` loads no other module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from kcpfast.resources.snapshot import crd_to_api_resource_schema as crd_to_api_resource_schema


def __getattr__(name: str) -> object:
    """Return what the package offers to programs, loaded when it is first asked for (PEP 562)."""
    if name == "crd_to_api_resource_schema":
        from kcpfast.resources.snapshot import crd_to_api_resource_schema  # noqa: PLC0415 - see above

        return crd_to_api_resource_schema
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
