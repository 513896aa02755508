"""The pages that every page leads to: the palette and the help."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from ibex.http import page_or_fragment
from orgs.access import OrgRequest, operator_page, own_page
from orgs.palette import search
from orgs.permissions import Permission


@require_GET
@vary_on_headers("HX-Request")
@operator_page(Permission(0))
def palette(request: OrgRequest) -> HttpResponse:
    """Find pages, agents, ids and actions; htmx gets only the list."""
    words = request.GET.get("q", "")
    template = page_or_fragment(request, "core/palette.html", "core/_palette_options.html")
    return render(request, template, {"hits": search(request.access, words), "words": words})


@require_GET
@own_page
def help_page(request: OrgRequest) -> HttpResponse:
    """Say which keys do what, and where to look for more."""
    return render(request, "core/help.html")
