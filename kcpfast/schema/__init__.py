"""Structural schemas: checked, compiled, and run over objects to prune, default and validate.

`cel/` evaluates the expressions that schemas and policies hold. Pure: values in, values out.
"""
