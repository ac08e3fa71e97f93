import threading
from collections.abc import Mapping
from pathlib import Path

from diffusers import DiffusionPipeline

from worker.pipelines.adapters.errors import LoraUnknown
from worker.pipelines.adapters.lora import Lora
from worker.pipelines.adapters.wearing import Wearing, make_wearable


class Loras:
    """The LoRAs of one model, by name. Any thread may load, unload and wear them while runs are in flight.

    Those that were not worn for longest give way when all take more memory than they may, and are read again when
    they are asked for.
    """

    def __init__(self, pipeline: DiffusionPipeline, max_bytes: float = float("inf")) -> None:
        self._pipeline = pipeline
        self._max_bytes = max_bytes
        self._files: dict[str, Path] = {}
        self._loaded: dict[str, Lora] = {}  # the least recently used first
        self._lock = threading.RLock()

    @property
    def names(self) -> list[str]:
        return list(self._files)

    @property
    def bytes(self) -> int:
        """What the loaded ones take."""
        return sum(lora.bytes for lora in [*self._loaded.values()])

    def load(self, name: str, file: Path) -> None:
        """Reads a safetensors file in diffusers' or Kohya's format; a name that is taken gets the new one.

        Raises LoraUnusable.
        """
        with self._lock:
            lora = Lora.read(self._pipeline, file)
            for layer in lora.pairs:
                make_wearable(layer)
            self._files[name] = file
            self._loaded.pop(name, None)
            self._loaded[name] = lora
            self._make_room()

    def unload(self, name: str) -> None:
        """Forgets a LoRA; runs in flight that wear it go on wearing it. Raises LoraUnknown."""
        with self._lock:
            if name not in self._files:
                raise self._unknown(name)
            del self._files[name]
            self._loaded.pop(name, None)

    def wear(self, scales: Mapping[str, float]) -> Wearing | None:
        """Returns what `Engine.submit` takes as adapters: each LoRA with its scale. Raises LoraUnknown."""
        worn = tuple((self._find(name), scale) for name, scale in scales.items() if scale)
        return Wearing(worn) if worn else None

    def _find(self, name: str) -> Lora:
        with self._lock:
            if name not in self._files:
                raise self._unknown(name)
            if name not in self._loaded:
                self.load(name, self._files[name])
            self._loaded[name] = self._loaded.pop(name)
            return self._loaded[name]

    def _unknown(self, name: str) -> LoraUnknown:
        return LoraUnknown(f"There is no LoRA {name!r}; loaded are: {', '.join(self._files) or 'none'}.")

    def _make_room(self) -> None:
        while self.bytes > self._max_bytes and len(self._loaded) > 1:
            del self._loaded[next(iter(self._loaded))]
