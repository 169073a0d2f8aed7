"""Several workers as processes of one command: started, watched, restarted and ended together, with shared metrics."""
