"""What the worker does with memories. Running any of these twice, or too late, does no harm."""

from uuid import UUID

from celery import shared_task

from memories import services
from memories.learning import steps


@shared_task
def learn_from_session(org_id: UUID, session_id: UUID) -> None:
    """Turn what was said since the last time into passages and memories."""
    steps.learn_from_session(org_id=org_id, session_id=session_id)


@shared_task
def learn_from_dead_letter(org_id: UUID, dead_letter_id: UUID) -> None:
    """Learn from turns that were set aside and that an operator has made due again."""
    steps.learn_from_dead_letter(org_id=org_id, dead_letter_id=dead_letter_id)


@shared_task
def embed_if_missing(org_id: UUID, kind: str, item_id: UUID) -> None:
    """Make up for an embedding that could not be made at once."""
    services.embed_if_missing(org_id=org_id, kind=kind, item_id=item_id)
