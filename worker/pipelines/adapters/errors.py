class AdapterError(Exception):
    """The root of what loading and wearing adapters raises."""


class LoraUnusable(AdapterError):
    """Raised when a file is no LoRA that this model can wear exactly as the stock pipeline would."""


class LoraUnknown(AdapterError):
    """Raised when a LoRA is asked for that is not loaded."""


class RowsUnclear(AdapterError):
    """Raised inside a forward pass when a layer cannot tell which of its rows wear what."""
