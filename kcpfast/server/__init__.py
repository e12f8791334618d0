"""The composition root: configuration, certificates, bootstrap, the order of start and stop.

`wire` is the one file that knows every room.
"""
