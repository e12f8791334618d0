"""Compiled kernels: the few loops that every request runs through.

They are Cython in pure Python mode, so that linters, the type checker and the tests read the same
file that is compiled. They know bytes, dicts and numbers only, raise ValueError or LookupError,
and import nothing of ours. Nothing enters here without a benchmark in bench/.
"""
