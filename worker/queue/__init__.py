"""The worker's side of the queue: rq's data, our ownership.

Everything that rq knows of a job stays where rq keeps it, so rq's own tools tell the truth. What differs is who
may touch a running job. A job is owned through one entry, `<job>:<execution>`, in its queue's started registry:

- CLAIM makes the entry in the same script that takes the job off its queue.
- BEAT keeps the worker's lease alive and tells it which entries it has lost: canceled, deleted or reaped.
- FENCE lets a job be finished, failed or given back only while the entry is there; a zombie's commit is refused.
- REAP takes the entries of workers without a lease and puts their jobs back at the front, or has them failed.
- DUE moves the jobs that rq has scheduled to their queues when their time has come.

The entry never expires, the lease does: rq's own clean-up, which fails what has expired, has nothing to do here.
"""

from worker.queue.claim import Claim
from worker.queue.errors import TryAgain, WorkerBroken
from worker.queue.worker import QueueWorker

__all__ = ["Claim", "QueueWorker", "TryAgain", "WorkerBroken"]
