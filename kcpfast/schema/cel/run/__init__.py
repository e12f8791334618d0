"""What compiled programs are made of: closures over a frame, one shape each."""
