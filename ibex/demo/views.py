"""The console's buttons of the demo data."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from ibex.demo import services
from ibex.demo.organization import NAME, count_rows
from ibex.errors import DomainError
from jobs.models import Job
from orgs.access import OrgRequest, choose, operator_page
from orgs.permissions import Permission

OWNERS = Permission.ERASE
"""What owners alone hold."""


@require_POST
@operator_page(OWNERS)
def demo(request: OrgRequest) -> HttpResponse:
    """Make demo data and lead to the job, or lead into the demo that is there."""
    try:
        found = services.ask_for_demo(
            access=request.access, operator=request.user, actor=request.actor
        )
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("overview")
    if isinstance(found, Job):
        choose(request, request.access)  # who never chose would soon stand in the demo
        return redirect("job", found.pk)
    messages.success(request, f"{NAME} is there already. It is under your organizations.")
    return redirect("organizations")


@require_http_methods(["GET", "POST"])
@operator_page(OWNERS)
def remove_demo(request: OrgRequest) -> HttpResponse:
    """Remove the demo after a page that says how much goes; the job is followed from elsewhere."""
    if not request.access.is_demo:
        raise Http404
    if request.method == "GET":
        return render(request, "demo/remove_demo.html", {"counts": count_rows(), "name": NAME})
    home = next((access for access in request.accesses if not access.is_demo), None)
    try:
        job = services.ask_for_removal(home=home, actor=request.actor)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("overview")
    if home is not None:
        choose(request, home)
    return redirect("job", job.pk)
