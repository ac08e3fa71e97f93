"""Pictures from outside are decoded in processes of their own: what harms a decoder does not harm a worker."""

from worker.decoding.decoder import Decoder, Role, Undecodable

__all__ = ["Decoder", "Role", "Undecodable"]
