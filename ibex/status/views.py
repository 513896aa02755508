"""The console's page of the status."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from ibex.http import page_or_fragment
from ibex.status.reading import read_status
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission


@require_GET
@vary_on_headers("HX-Request")
@operator_page(Permission.ANALYTICS_READ, enters_tenant=False)
def status(request: OrgRequest) -> HttpResponse:
    """Show what answers, which proxies listen, what waits, and which versions run."""
    template = page_or_fragment(request, "status/status.html", "status/_status.html")
    return render(request, template, {"status": read_status(request.access.org_id)})
