"""The request line: route, authenticate, authorize, verb, encode.

`serve` reads like a contents page; `verbs/` has one file for each verb.
"""
