"""Four ways to serve the same requests with the same weights on the same device, in one run, by turns."""
