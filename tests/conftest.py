"""Lists the fixtures by subject; marks and limits stand in pyproject.toml."""

pytest_plugins = [
    "tests.fix_cli",
    "tests.fix_inside",
    "tests.fix_server",
    "tests.fix_store",
    "tests.fix_tls",
]
