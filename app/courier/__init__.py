"""Tells whoever wants to know it how a job has ended: by signed webhooks, and to no address that is not public."""
