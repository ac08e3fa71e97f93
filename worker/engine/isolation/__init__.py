"""What each run has of its own, and how a change of what runs share is noticed."""
