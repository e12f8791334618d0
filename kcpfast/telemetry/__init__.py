"""Log lines and counters. Everybody imports it; it imports nothing of ours."""
