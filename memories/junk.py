"""What of the memories in use is probably of little use, by rules on what is stored.

A rule gives a hint, not a verdict: nothing is changed because of it. Looked at are the newest
memories in use that are old enough to have had their chance, so that it costs the same however
much an agent remembers.
"""

from datetime import timedelta
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from memories.models import Memory, MemoryQuerySet

SAMPLE = 1_000
"""Memories that are looked at, of one agent or of all of an organization."""
SETTLED_AFTER = timedelta(days=7)
FEW_TERMS = 3
"""A text of fewer terms (stop words do not count) says little, unless it has a key."""
SOON = timedelta(days=7)
POINTS_AWAY = r"^\s*(it|he|she|they|we|this|that|these|those|there)\M"
PASSES = (
    r"\m(right now|at the moment|currently|today|tonight|tomorrow"
    r"|this (morning|afternoon|evening|week|weekend))\M"
)

NEVER_RECALLED = "never_recalled"
VAGUE = "vague"
TRANSIENT = "transient"
KINDS = [
    (NEVER_RECALLED, "Never recalled"),
    (VAGUE, "Vague"),
    (TRANSIENT, "Passing"),
]
RULES = {
    NEVER_RECALLED: Q(use=None),
    VAGUE: Q(subject_key="") & (Q(length__lt=FEW_TERMS) | Q(content__iregex=POINTS_AWAY)),
    TRANSIENT: Q(valid_until__lte=F("observed_at") + SOON)
    | Q(expires_at__lte=F("observed_at") + SOON)
    | Q(content__iregex=PASSES),
}
"""Never recalled: it stood in no prompt. Vague: about nothing that is named by a key, and of hardly
a word or beginning with a word that points elsewhere. Passing: it ends within a week of when it was
observed, or says itself that it holds for now."""


def looked_at(org_id: UUID, agent_id: UUID | None = None) -> MemoryQuerySet:
    """Return the memories that the rules are asked about, inside the tenant."""
    settled = Memory.objects.filter(org=org_id, created_at__lt=timezone.now() - SETTLED_AFTER)
    settled = settled if agent_id is None else settled.filter(agent=agent_id)
    newest = settled.active().order_by("-created_at", "-pk").values("pk")[:SAMPLE]
    return Memory.objects.filter(org=org_id, pk__in=newest)
