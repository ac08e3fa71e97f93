"""Everything random in a training run comes from a name, so that it comes again."""

import random


def chance_for(name: str) -> random.Random:
    """A generator whose draws depend on the name alone."""
    return random.Random(name)  # noqa: S311  (pictures, not secrets)
