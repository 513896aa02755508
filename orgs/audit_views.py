"""The console's page of the audit."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from ibex.http import read_page, render_list, render_row
from orgs.access import OrgRequest, operator_page
from orgs.audit_trail import NEWEST_FIRST, audit_rows
from orgs.filters import AuditFilter
from orgs.models import AuditEvent
from orgs.permissions import Permission


@require_GET
@operator_page(Permission.AUDIT_READ)
def audit(request: OrgRequest) -> HttpResponse:
    """List who did what to what, and why; htmx gets only the results."""
    org_id = request.access.org_id
    events = AuditEvent.objects.filter(org_id=org_id)
    filters = AuditFilter(request.GET, events, org_id=org_id)
    page = read_page(request, filters.rows, NEWEST_FIRST)
    context = {
        "page": page,
        "rows": audit_rows(page.items),
        "one_request": filters.value("request_id"),
    }
    return render_list(request, "orgs/audit.html", "orgs/_audit.html", filters, context)


@require_GET
@operator_page(Permission.AUDIT_READ)
def audit_event(request: OrgRequest, event_id: UUID) -> HttpResponse:
    """Show one event with all that it holds; the list's panel gets the fragment alone."""
    event = get_object_or_404(AuditEvent, org_id=request.access.org_id, pk=event_id)
    (row,) = audit_rows([event], longest=None)
    context = {"row": row, "event": event}
    return render_row(request, "orgs/audit_event.html", "orgs/_audit_event.html", context)
