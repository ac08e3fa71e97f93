from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """How much of everything; in the long form the lease is the service's own, and the times are held to their bars."""

    jobs: int
    kills: int
    outages: int
    pauses: int
    lease_s: float
    rounds: int
    clients: int
    keys: int
    rollings: int
    patience_s: float
    orders: int = 200
    at_once: int = 1
    times_count: bool = True


LONG = Form(
    jobs=1_000, kills=10, outages=2, pauses=5, lease_s=4.0, rounds=6, clients=100, keys=50, rollings=3, patience_s=180
)
SHORT = Form(
    jobs=150,
    kills=3,
    outages=1,
    pauses=1,
    lease_s=0.8,
    rounds=1,
    clients=10,
    keys=10,
    rollings=1,
    patience_s=60,
    at_once=5,
    times_count=False,
)
