"""The pictures that came with a request, from the storage to PIL."""

import logging
from dataclasses import dataclass, field

from obstore.exceptions import BaseError as StorageError
from PIL import Image

from app.contract import names
from app.contract.errors import InputUnavailable, InvalidImage
from app.contract.generation import Generation, Picture
from app.contract.storage import Storage, reason
from worker.decoding import Decoder, Role, Undecodable

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """Pictures as they are seen: RGB, and L for the mask, whose white parts are drawn anew.

    They have sizes of their own; what is more than twice as large as the generation is reduced.
    """

    image: list[Image.Image] = field(default_factory=list)
    mask: Image.Image | None = None
    control: Image.Image | None = None


def read(generation: Generation, record_id: str, storage: Storage, decoder: Decoder) -> Inputs:
    """Reads and decodes what the job was given.

    Raises InvalidImage, which names the field, and InputUnavailable.
    """

    def picture(field: str, stored: Picture, role: Role = "image") -> Image.Image:
        try:
            content = storage.read(names.input_key(record_id, stored.sha256))
            return decoder.decode(content, stored, (generation.width, generation.height), role)
        except Undecodable as error:
            raise InvalidImage(field) from error
        except (FileNotFoundError, StorageError) as error:
            logger.error("The storage does not give a picture that came with a job: %s", reason(error))
            raise InputUnavailable(field) from error

    mask, control = generation.mask, generation.control
    is_one = len(generation.image) == 1
    return Inputs(
        [picture("image" if is_one else f"image.{n}", each) for n, each in enumerate(generation.image)],
        picture("mask", mask, "alpha_mask" if mask.is_alpha else "mask") if mask else None,
        picture("control.image", control.image) if control else None,
    )


NO_INPUTS = Inputs()
