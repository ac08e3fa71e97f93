from collections.abc import Callable, Collection, Mapping, Sequence

from worker.engine.call import Call
from worker.engine.run import Run

PATIENCE = 8  # batches that one step of priority is worth: a call that waits longer than that goes first


def choose(
    parked: Sequence[Call], join: Callable[[Call, Call], Call | None], row_limit: Callable[[Call], int]
) -> list[Call]:
    """Returns the next batch: the first call, and those behind it that fit, in their order, up to the row limit.

    Only that calls with equal adapters, and of as many rows, are brought together: what treats these apart is quicker
    then. `parked` is in the order of `by_turn`. `join` returns the wider of two calls, or None if they do not fit.
    """
    first, *others = parked
    batch, rows, widest, limit = [first], first.rows, first, row_limit(first)
    for call in others:
        if rows + call.rows <= limit and (wider := join(widest, call)):
            batch.append(call)
            rows, widest = rows + call.rows, wider
    kinds = list(dict.fromkeys(call.adapters for call in batch))
    return sorted(batch, key=lambda call: (kinds.index(call.adapters), call.rows))


def by_turn(parked: Mapping[Call, Run]) -> list[Call]:
    """Returns the parked calls in the order of their turn.

    Lookups go first: they are short, and a run joins the others' next step the sooner. Then the methods take turns, so
    that a queue of decodes holds up the denoiser for one of them and not for all. Among the calls of a method, those
    of a higher priority go first, and otherwise the oldest; none starves.
    """

    def turn(call: Call) -> tuple[bool, int, int]:
        return not call.is_lookup, call.method.answered_at, call.parked_at - PATIENCE * parked[call].priority

    return sorted(parked, key=turn)


def may_go_on(run: Run, runs: Sequence[Run], exclusive: Collection[Run], changing: Collection[Run]) -> bool:
    """Decides whether a run may go on among `runs`, which stand in the order of their admission.

    Where modules are shared, an exclusive run waits for all before it, and all behind it wait for it; while a run
    has a shared module changed, only that run goes on.
    """
    if run in changing or not (exclusive or changing):
        return True
    sharing = [other for other in runs if other is run or not run.adoptions.isdisjoint(other.adoptions)]
    older = sharing[: sharing.index(run)]
    if any(other in changing for other in sharing):
        return False
    return not older if run in exclusive else not any(other in exclusive for other in older)
