"""Log lines, counters and spans. Everybody imports it; it imports nothing of ours."""
