"""What one request, and all of a user's together, may take: memory for bodies, requests in flight.

`serve` asks here before it begins to work on a request; nothing here knows what a request is about
beyond its verb, its user and its size.
"""
