"""Saved views of lists: a name for a filter."""

from uuid import UUID

from django.db.models import Q

from ibex.tenancy import tenant
from orgs import audit
from orgs.access import OrgRequest
from orgs.audit import Actor
from orgs.models import Operator, SavedView

MAX_VIEWS = 50


def views_of(request: OrgRequest, path: str) -> list[SavedView]:
    """Return the views of the list at `path`: the operator's own and shared ones."""
    mine = Q(operator=request.user) | Q(is_shared=True)
    views = SavedView.objects.filter(mine, org=request.access.org_id, path=path)
    return list(views[:MAX_VIEWS])


def save_view(
    *,
    org_id: UUID,
    operator: Operator,
    path: str,
    query: str,
    name: str,
    shared: bool,
    actor: Actor,
) -> SavedView:
    """Keep a filter under a name. Raises `ValidationError` for an empty or a taken name."""
    with tenant(org_id):
        view = SavedView(org_id=org_id, operator=operator, path=path, query=query)
        view.name, view.is_shared = name.replace("\0", "").strip(), shared
        view.full_clean()
        view.save(force_insert=True)
        after = {"name": view.name, "path": path, "is_shared": shared}
        audit.record("view.save", view, actor=actor, after=after)
    return view


def delete_view(*, view: SavedView, actor: Actor) -> None:
    """Forget a view; the list it showed stays as it is."""
    with tenant(view.org_id):
        audit.record("view.delete", view, actor=actor, before={"name": view.name})
        view.delete()
