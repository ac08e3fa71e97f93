"""What a worker and a courier tell Prometheus of themselves, each on a port of its own; the courier needs no torch."""
