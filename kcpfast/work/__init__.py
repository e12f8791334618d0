"""Long work: what would hold the event loop runs beside it.

Called by every room that computes over what clients sent; knows functions and sizes, and nothing
of what they are about.
"""
