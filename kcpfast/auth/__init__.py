"""Who are you, and may you: x509, tokens, impersonation; RBAC."""
