"""Every write to directives and their drafts (ADR 0030)."""

import hashlib
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from agents.errors import AgentArchived
from agents.models import Agent
from directives.errors import (
    CopyToItself,
    DirectiveBlank,
    DirectiveConflict,
    DirectiveSize,
    DraftConflict,
    PushArrived,
    PushReplaced,
    UnknownVersion,
)
from directives.models import (
    MAX_BYTES,
    MAX_DRAFT_BYTES,
    MAX_REASON,
    NEVER_PUSHED,
    Directive,
    DirectiveDraft,
    DirectiveVersion,
    holder,
)
from directives.pushes import push_status
from ibex.tenancy import tenant
from orgs import audit
from orgs.audit import Actor
from orgs.models import AuditEvent


def push_directive(
    *,
    agent: Agent,
    content: str,
    actor: Actor,
    reason: str = "",
    base_version: int | None = None,
    injection_mode: str | None = None,
) -> DirectiveVersion:
    """Make a new version and activate it: the agent's next request carries it.

    A version is a text and its place in the prompt; `injection_mode` left out keeps the place as
    it is. `base_version` is the number of the version that the text was written on top of, 0 for
    none; left out, the text replaces whatever is active. What is active already, text and place,
    makes no version, so a push may be repeated. The pusher's own draft ends with it.

    Raises `DirectiveSize`, `DirectiveBlank`, `DirectiveConflict` and `AgentArchived`. The audit row
    holds the text's hash and length, never the text.
    """
    size = len(content.encode())
    if not 0 < size <= MAX_BYTES:
        raise DirectiveSize(size, MAX_BYTES)
    if not content.strip():
        raise DirectiveBlank
    with tenant(agent.org_id):
        directive = _lock(agent)
        mode = injection_mode or directive.injection_mode
        version = directive.active_version
        if version is None or not version.says(content, mode):
            _refuse_stale(directive, base_version)
            version = _activate(directive, content, mode, "directive.push", actor, reason)
        _end_draft(agent, actor, version)
    return version


def roll_back_directive(
    *,
    agent: Agent,
    to: DirectiveVersion,
    actor: Actor,
    reason: str = "",
    base_version: int | None = None,
) -> DirectiveVersion:
    """Make an old text active again, where it went then, as a new version.

    The version remembers which one it was copied from. What is active already, text and place,
    makes none. Raises `DirectiveConflict`, `AgentArchived`.
    """
    with tenant(agent.org_id):
        directive, mode = _lock(agent), to.injection_mode
        active = directive.active_version
        if active is not None and active.says(to.content, mode):
            return active
        _refuse_stale(directive, base_version)
        return _activate(directive, to.content, mode, "directive.roll_back", actor, reason, to)


def change_injection_mode(
    *,
    agent: Agent,
    injection_mode: str,
    actor: Actor,
    reason: str = "",
    base_version: int | None = None,
) -> Directive:
    """Move the active text to another place in the prompt: a new version with the same text.

    Before the first push there is no text: it only says where the first one will go. The place
    where the text goes already is no change. Raises `DirectiveConflict`, `AgentArchived`.
    """
    with tenant(agent.org_id):
        directive = _lock(agent)
        before, active = directive.injection_mode, directive.active_version
        if injection_mode == before:
            return directive
        _refuse_stale(directive, base_version)
        if active is None:
            _configure(directive, injection_mode, actor, reason)
        else:
            said = (active.content, injection_mode, "directive.configure", actor, reason)
            _activate(directive, *said, before={"injection_mode": before})
    return directive


def retry_push(*, agent: Agent, version: DirectiveVersion, actor: Actor) -> int:
    """Tell every proxy of the active version again; return how many had not acknowledged it.

    The trigger notes the directive anew as this transaction commits. That change has no version:
    the push and its acknowledgements stay what they were, and who is level with it has the push.
    Raises `PushReplaced`, `PushArrived` and `AgentArchived`.
    """
    with tenant(agent.org_id):
        directive = _lock(agent)
        if directive.active_version_id != version.pk:
            raise PushReplaced(version.number, directive.active_number)
        behind = push_status(agent, version).behind
        if not behind:
            raise PushArrived(version.number)
        directive.save(update_fields=["active_version"])
        after = {"number": version.number, "behind": behind}
        audit.record("directive.retry", directive, actor=actor, after=after)
    return behind


def save_draft(
    *,
    agent: Agent,
    actor: Actor,
    content: str,
    base_version: int,
    injection_mode: str | None = None,
    reason: str | None = None,
    revision: int | None = None,
    draft_id: UUID | None = None,
) -> DirectiveDraft:
    """Keep what `actor` is writing; nobody else's draft is touched.

    `injection_mode` None leaves the place in the prompt as it is, `reason` None the draft's reason.
    `revision` is the save that the text was written on top of, 0 for none; left out, the text
    replaces whatever the same person saved. `draft_id` says of which draft that save was: one that
    was pushed or thrown away is followed by another, which counts anew.

    Raises `DirectiveSize`, `UnknownVersion`, and `DraftConflict` when another window saved since.
    """
    size = len(content.encode())
    if size > MAX_DRAFT_BYTES:
        raise DirectiveSize(size, MAX_DRAFT_BYTES, "draft", 0)
    with tenant(agent.org_id):
        draft = _lock_draft(agent, actor)
        if revision is not None and not draft.is_seen_as(draft_id, revision):
            raise DraftConflict(draft.revision)
        _require_version(agent, base_version)
        draft.content = content
        draft.base_version = base_version
        draft.injection_mode = injection_mode
        draft.reason = draft.reason if reason is None else reason
        draft.revision += 1
        draft.updated_at = timezone.now()
        draft.full_clean()
        draft.save()
    return draft


def copy_version(
    *,
    version: DirectiveVersion,
    to: Agent,
    actor: Actor,
    revision: int = 0,
    draft_id: UUID | None = None,
) -> DirectiveDraft:
    """Make a version `actor`'s own draft for another agent, on top of what that one runs.

    It replaces the draft that `revision` and `draft_id` name, as `save_draft` takes them, and no
    other; a draft that reads like the version stays as it is. The draft's reason says where it is
    from. Raises `CopyToItself`, `AgentArchived` and `DraftConflict`.
    """
    with tenant(to.org_id):
        source = Agent.objects.get(directive=version.directive_id)
        if source.pk == to.pk:
            raise CopyToItself
        if Agent.objects.get(pk=to.pk).status == Agent.Status.ARCHIVED:
            raise AgentArchived(to.name)
        rows = Directive.objects.select_related("active_version").filter(agent=to)
        runs = rows.first() or Directive(agent=to)
        mine = DirectiveDraft.objects.of(to, actor).first()
        if mine and version.says(mine.content, mine.injection_mode or runs.injection_mode):
            return mine
        return save_draft(
            agent=to,
            actor=actor,
            content=version.content,
            base_version=runs.active_number,
            injection_mode=version.injection_mode,
            reason=f"Copied from version {version.number} of {source.name}"[:MAX_REASON],
            revision=revision,
            draft_id=draft_id,
        )


def discard_draft(*, agent: Agent, actor: Actor) -> None:
    """Throw `actor`'s own draft away; it is no error when there is none."""
    with tenant(agent.org_id):
        DirectiveDraft.objects.of(agent, actor).delete()


def _lock(agent: Agent) -> Directive:
    """Return the agent's directive, made if it is the first time; one change at a time."""
    if Agent.objects.get(pk=agent.pk).status == Agent.Status.ARCHIVED:
        raise AgentArchived(agent.name)
    made, _ = Directive.objects.get_or_create(org_id=agent.org_id, agent=agent)
    rows = Directive.objects.select_for_update(of=("self",)).select_related("active_version")
    return rows.get(pk=made.pk)


def _lock_draft(agent: Agent, actor: Actor) -> DirectiveDraft:
    made, _ = DirectiveDraft.objects.get_or_create(
        org_id=agent.org_id, agent=agent, **holder(actor)
    )
    return DirectiveDraft.objects.select_for_update().get(pk=made.pk)


def _require_version(agent: Agent, number: int) -> None:
    versions = DirectiveVersion.objects.of_agent(agent)
    if number != NEVER_PUSHED and not versions.filter(number=number).exists():
        raise UnknownVersion(number)


def _refuse_stale(directive: Directive, base_version: int | None) -> None:
    if base_version is not None and base_version != directive.active_number:
        raise DirectiveConflict(base_version, directive.active_number)


def _activate(
    directive: Directive,
    content: str,
    injection_mode: str,
    action: str,
    actor: Actor,
    reason: str,
    rolled_back_from: DirectiveVersion | None = None,
    before: dict[str, str] | None = None,
) -> DirectiveVersion:
    """Make a text at a place the next version, and the active one: the latest always is."""
    is_operator = actor.type == AuditEvent.Actor.OPERATOR
    version = DirectiveVersion(
        org_id=directive.org_id,
        directive=directive,
        number=directive.active_number + 1,
        content=content,
        injection_mode=injection_mode,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        size=len(content.encode()),
        reason=reason,
        created_by_id=actor.id if is_operator else None,
        author=actor.label,
        rolled_back_from=rolled_back_from,
    )
    version.full_clean()
    version.save(force_insert=True)
    directive.active_version, directive.injection_mode = version, injection_mode
    directive.save(update_fields=["active_version", "injection_mode"])
    after = {
        "number": version.number,
        "sha256": version.sha256,
        "bytes": version.size,
        "injection_mode": injection_mode,
    }
    if rolled_back_from:
        after["rolled_back_from"] = rolled_back_from.number
    audit.record(action, directive, actor=actor, before=before, after=after, reason=reason)
    return version


def _configure(directive: Directive, injection_mode: str, actor: Actor, reason: str) -> None:
    """Say where the first text will go."""
    before = directive.injection_mode
    directive.injection_mode = injection_mode
    directive.full_clean()
    directive.save(update_fields=["injection_mode"])
    audit.record(
        "directive.configure",
        directive,
        actor=actor,
        before={"injection_mode": before},
        after={"injection_mode": injection_mode},
        reason=reason,
    )


def _end_draft(agent: Agent, actor: Actor, version: DirectiveVersion) -> None:
    """Remove the pusher's draft if it is what was pushed: one that goes on is kept."""
    if actor.type != AuditEvent.Actor.SYSTEM:
        there = Q(injection_mode=None) | Q(injection_mode=version.injection_mode)
        drafts = DirectiveDraft.objects.of(agent, actor)
        drafts.filter(there, content=version.content).delete()
