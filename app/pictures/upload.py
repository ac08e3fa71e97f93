from dataclasses import dataclass


@dataclass(frozen=True)
class Upload:
    """A picture as it was sent; `content_type` is what its sender calls it."""

    content: bytes
    content_type: str | None = None


@dataclass(frozen=True)
class Files:
    """Pictures that came beside a request instead of in it."""

    image: tuple[Upload, ...] = ()
    mask: Upload | None = None
    control_image: Upload | None = None
    mask_is_alpha: bool = False
