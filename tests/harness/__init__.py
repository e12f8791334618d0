"""What tests drive a whole server with: its process, HTTPS requests, a real kubectl."""
