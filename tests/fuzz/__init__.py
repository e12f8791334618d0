"""Requests that nobody would send: made by a grammar out of bytes, so that a fuzzer can steer them.

`python -m tests.fuzz` runs for hours (see __main__), test_fuzz for seconds.
"""
