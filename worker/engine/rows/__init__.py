"""Rows of tensors: stacked, split, told apart by their values and by whose they are, and rounded as alone."""
