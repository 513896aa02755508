"""The console's list of turns that could not be learned from."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from ibex.bulk import bulk_bar, bulk_page
from ibex.http import read_page, render_list
from memories.jobs import LETTERS
from memories.models import DeadLetter
from memories.steering.dead_letters import RETRY, DeadLetterFilter
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission


@require_GET
@operator_page(Permission.JOB_MANAGE)
def dead_letters(request: OrgRequest) -> HttpResponse:
    """List what the extractor could not learn from, and why; htmx gets only the results."""
    org_id = request.access.org_id
    letters = DeadLetter.objects.filter(org=org_id).select_related("agent", "session")
    filters = DeadLetterFilter(request.GET, letters, org_id=org_id)
    context = {
        "page": read_page(request, filters.rows),
        "bulk": bulk_bar(request, filters, {reverse("retry-dead-letters"): RETRY}),
    }
    templates = "memories/dead_letters.html", "memories/_dead_letters.html"
    return render_list(request, *templates, filters, context)


@require_GET
@operator_page(Permission.JOB_MANAGE)
def peek(request: OrgRequest, letter_id: UUID) -> HttpResponse:
    """Show what was not learned from, and what became of it, beside the list."""
    letters = DeadLetter.objects.filter(org=request.access.org_id)
    row = get_object_or_404(letters.select_related("agent", "session"), pk=letter_id)
    return render(request, "memories/_dead_letter_peek.html", {"letter": row})


@require_POST
@operator_page(Permission.JOB_MANAGE)
def retry_dead_letters(request: OrgRequest) -> HttpResponse:
    """Make many of them due at once, after a page that says which."""
    return bulk_page(
        request,
        RETRY,
        DeadLetterFilter,
        DeadLetter.objects.filter(org=request.access.org_id),
        job=LETTERS,
        back=reverse("dead-letters"),
    )
