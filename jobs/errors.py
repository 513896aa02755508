"""What can go wrong with background work."""

from http import HTTPStatus

from ibex.errors import DomainError


class JobFinished(DomainError):
    """What has ended cannot be cancelled."""

    code = "JOB_FINISHED"
    status = HTTPStatus.CONFLICT

    def __init__(self, state: str) -> None:
        super().__init__(f"The job has ended already: it is {state}.")


class JobNotRetryable(DomainError):
    """Only what failed, was cancelled or went through in part is tried again."""

    code = "JOB_NOT_RETRYABLE"
    status = HTTPStatus.CONFLICT

    def __init__(self, state: str) -> None:
        super().__init__(f"The job is {state}; there is nothing to try again.")


class JobRowsForgotten(DomainError):
    """What a job was to change is kept for 30 days after its end, and then not known any more."""

    code = "JOB_ROWS_FORGOTTEN"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "The rows that it was to change are not known any more: it ended over 30 days ago. "
            "Choose them again."
        )


class JobKeyReused(DomainError):
    """An idempotency key names one job; the same key with other parameters is a mistake."""

    code = "IDEMPOTENCY_KEY_REUSE"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("This idempotency key was used for another job.")


class JobFailed(DomainError):
    """A job cannot go on; the message tells its owner why. Handlers raise it."""

    code = "JOB_FAILED"
    status = HTTPStatus.CONFLICT


class JobTaken(Exception):
    """Another worker has taken the job over: this one must write nothing more."""
