class Unstartable(Exception):
    """Raised when the service cannot be started as it was asked to; says what to change."""
