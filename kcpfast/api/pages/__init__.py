"""Answers to paths that are about the server, not about objects."""
