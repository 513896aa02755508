"""What the worker does with sessions."""

from uuid import UUID

from celery import shared_task

from sessions import archiving, services


@shared_task
def complete_idle_session(org_id: UUID, session_id: UUID) -> None:
    """End a session that has been idle. Running it twice, or too late, does no harm."""
    services.complete_idle_session(org_id=org_id, session_id=session_id)


@shared_task
def archive_session(org_id: UUID, session_id: UUID) -> None:
    """Write the archive of a session that ended. Running it twice, or too late, does no harm."""
    archiving.archive_session(org_id=org_id, session_id=session_id)
