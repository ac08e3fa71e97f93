from fastapi import APIRouter
from pydantic import BaseModel

from app.dependencies import TheQueues
from app.problems import RESPONSES

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    status: str = "alive"


class Ready(BaseModel):
    status: str = "ready"
    workers: int


@router.get("/livez")
async def livez() -> Alive:
    """Whether this process answers; it asks nobody else, so that a lost Redis restarts no replica."""
    return Alive()


@router.get("/readyz", responses=RESPONSES)
async def readyz(queues: TheQueues) -> Ready:
    """Whether jobs can be taken: Redis answers. They may be taken, and wait, while no worker lives."""
    return Ready(workers=len(await queues.announcements()))
