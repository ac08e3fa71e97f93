"""All that the front end and the workers agree on: imports neither a web framework nor torch."""
