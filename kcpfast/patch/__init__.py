"""How one object becomes another: JSON patch, merge patch, strategic merge, server-side apply.

Pure functions over decoded objects. Called by api's patch verb; knows schemas, not storage.
"""
