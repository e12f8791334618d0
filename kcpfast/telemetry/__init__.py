"""Log lines, metrics, spans, slow requests. All rooms import it; it imports none of them."""
