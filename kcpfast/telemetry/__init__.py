"""Log lines, counters, spans, and what was slow. Everybody imports it; it imports nothing of ours."""
