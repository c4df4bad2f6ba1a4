"""An executor: it runs a sweep's missing work somewhere. One file = one executor.

An executor file defines

    run(tasks: Sequence[Task], *, jobs: int) -> Iterator[Finished]      # both in scalelaw.tasks

and yields the end of each task as it comes: each task once, in any order, but none before those in its `after` have
ended. A task that is `blocked` is not started: it ends with code None. Closing the iterator, or an interrupt, ends
every process that it started, and what those started; so does the death of the caller. Every task runs with one
thread, so that no result depends on `jobs` or on the executor.
The truth about a task is its result file, never what an executor says.
"""
