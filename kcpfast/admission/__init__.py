"""Ordered plugins that change or refuse an object before it is stored; webhooks, policies.

A plugin is a row: what it looks at and a plain function. Called by api's verbs.
"""
