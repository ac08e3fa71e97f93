"""Pictures that come with a request, judged by their bytes alone: no pixel is decoded here, that is the worker's."""

from app.pictures.upload import Files, Upload

__all__ = ["Files", "Upload"]
