"""An executor: it runs a sweep's missing work somewhere. One file = one executor.

An executor file defines

    run(tasks: Sequence[Task], *, jobs: int) -> Iterator[Finished]      # both in scalelaw.jobs.task

and yields the end of each task as it comes: each task once, in any order, but none before those in its `after` have
ended. A task that is `blocked` is not started: it ends with code None. Closing the iterator, or an interrupt, ends
every process that it started, and what those started; so does the death of the caller, but for jobs of a cluster's
queue, which the next run takes over. Every task runs with one thread, so that no result depends on `jobs` or on the
executor. What a task asks for lies in its `needs`; one that something else than itself ended (`ended_from_outside`) is
begun again as often as they allow.
The truth about a task is its result file, never what an executor says.

It may define more: a keyword `settings` of `run`, what a person wrote for it under `resources.settings`;
`jobs_for(settings) -> int`, tasks at once where nobody says (else 1); and
`asks(tasks, *, jobs, settings) -> list[dict]`, what it would ask for, for --dry-run. All raise InputError for what
cannot be.
"""
