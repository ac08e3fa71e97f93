"""LoRAs, many on one model: in one forward pass, each row has its own.

No weight of the model changes. A layer that a loaded LoRA reaches asks, whenever it is called, whose rows it has before
it (`worker.engine.worn`), and adds to each stretch of rows what their LoRAs make of them: scale * up(down(rows)).
"""

from worker.pipelines.adapters.errors import AdapterError, LoraUnknown, LoraUnusable, RowsUnclear
from worker.pipelines.adapters.lora import Lora
from worker.pipelines.adapters.loras import Loras
from worker.pipelines.adapters.wearing import Wearing

__all__ = ["AdapterError", "Lora", "LoraUnknown", "LoraUnusable", "Loras", "RowsUnclear", "Wearing"]
