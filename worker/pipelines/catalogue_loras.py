import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from diffusers import DiffusionPipeline
from huggingface_hub import snapshot_download

from app.contract.adapters import LoraSource
from app.contract.catalogue import Model
from app.contract.errors import LoraUnloadable
from app.contract.generation import Lora
from worker.pipelines.adapters import AdapterError, Loras, LoraUnknown, LoraUnusable, Wearing

logger = logging.getLogger(__name__)

USUAL_NAME = "pytorch_lora_weights.safetensors"  # that diffusers and peft save a LoRA under


class CatalogueLoras:
    """The LoRAs that the catalogue gives a model, each read when it is first worn."""

    def __init__(self, model: Model, pipeline: DiffusionPipeline, max_bytes: float) -> None:
        self._model = model
        self._loras = Loras(pipeline, max_bytes)
        self._loading = threading.Lock()

    @property
    def bytes(self) -> int:
        return self._loras.bytes

    def wear(self, asked: Sequence[Lora]) -> Wearing | None:
        """Returns what `Engine.submit` takes as adapters. Raises LoraUnloadable, which concerns these jobs alone."""
        try:
            for lora in asked:
                self._require(lora.name)
            return self._loras.wear({lora.name: lora.scale for lora in asked})
        except (AdapterError, OSError, ValueError) as error:  # the latter two are the hub's
            logger.error("A LoRA of %s cannot be loaded: %s", self._model.name, error)  # it names files
            names = " or ".join(lora.name for lora in asked)
            raise LoraUnloadable(f"The LoRA {names} cannot be loaded; its worker's log says why.") from error

    def _require(self, name: str) -> None:
        if name in self._loras.names:
            return
        if name not in self._model.loras:  # in this worker's catalogue
            raise LoraUnknown(f"The catalogue holds no LoRA {name!r}.")
        file = lora_file(self._model.loras[name])
        with self._loading:
            if name not in self._loras.names:
                self._loras.load(name, file)


def lora_file(source: LoraSource) -> Path:
    """Finds the one file, beside the catalogue or on the hub. Raises LoraUnusable, or what the hub raises."""
    path = Path(source.source)
    if path.is_file():
        return path
    if not path.is_dir():
        only = source.weight_name or "*.safetensors"
        path = Path(snapshot_download(source.source, revision=source.revision, allow_patterns=only))
    files = sorted(path.glob(source.weight_name or "*.safetensors"))
    usual = [file for file in files if file.name == USUAL_NAME]
    if len(chosen := usual or files) != 1:
        raise LoraUnusable(f"{source.source} holds {len(files)} files that could be the LoRA; weight_name tells which.")
    return chosen[0]
