"""What every page leads to: the palette, the help, and the saved views of lists."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.signing import BadSignature
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import Resolver404, resolve
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from ibex.filtering import read_signed
from ibex.http import page_or_fragment
from ibex.notices import tell
from orgs.access import OrgRequest, operator_page, own_page
from orgs.models import SavedView
from orgs.palette import recent, search
from orgs.permissions import Permission
from orgs.saved_views import delete_view, save_view


@require_GET
@vary_on_headers("HX-Request")
@operator_page(Permission(0))
def palette(request: OrgRequest) -> HttpResponse:
    """Find what was opened last, pages, agents, ids and actions; htmx gets only the list."""
    words = request.GET.get("q", "")
    template = page_or_fragment(request, "core/palette.html", "core/_palette_options.html")
    context = {"recent": recent(request, words), "hits": search(request, words), "words": words}
    return render(request, template, context)


@require_GET
@own_page
def help_page(request: OrgRequest) -> HttpResponse:
    """Say which keys do what, and where to look for more."""
    return render(request, "core/help.html")


@require_POST
@operator_page(Permission(0))
def save_list_view(request: OrgRequest) -> HttpResponse:
    """Save the filter that a list has signed."""
    path, name = request.POST.get("path", ""), request.POST.get("name", "")
    if not _is_list(path):
        raise Http404
    try:
        query = read_signed(request.POST.get("query", ""), org_id=request.access.org_id)
    except BadSignature:
        raise Http404 from None
    try:
        view = save_view(
            org_id=request.access.org_id,
            operator=request.user,
            path=path,
            query=query,
            name=name,
            shared=request.POST.get("shared") == "on",
            actor=request.actor,
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect(f"{path}?{query}")
    tell(request, f"The view “{view.name}” is saved.")
    return redirect(view.url)


@require_POST
@operator_page(Permission(0))
def delete_list_view(request: OrgRequest, view_id: UUID) -> HttpResponse:
    """Delete a view: one's own, or a shared one with the right to the organization's settings."""
    views = SavedView.objects.filter(org=request.access.org_id)
    if Permission.ORG_SETTINGS & ~request.access.permissions:
        views = views.filter(operator=request.user)
    else:
        views = views.filter(Q(operator=request.user) | Q(is_shared=True))
    view = get_object_or_404(views, pk=view_id)
    delete_view(view=view, actor=request.actor)
    tell(request, f"The view “{view.name}” is deleted.")
    return redirect(view.path)


def _is_list(path: str) -> bool:
    """Say whether a path is one of the console's own, so that nothing leads elsewhere."""
    try:
        is_ours = path.startswith("/") and not path.startswith("//") and "\0" not in path
        return is_ours and bool(resolve(path))
    except Resolver404:
        return False
