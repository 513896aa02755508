"""The operator's own page, its devices, and lockouts."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from identity import devices, lockouts
from identity.forms import PreferencesForm, ThemeForm
from orgs.access import OrgRequest, lacks_second_factor, operator_page, own_page
from orgs.permissions import Permission


@require_http_methods(["GET", "POST"])
@own_page
def me(request: OrgRequest) -> HttpResponse:
    """Show and change what an operator chooses for themselves, and how they sign in."""
    form = PreferencesForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your settings are saved.")
        return redirect("me")
    request.user.refresh_from_db()  # a refused form has already changed the row in memory
    context = {"form": form, "devices": devices.devices_of(request), **_factors(request)}
    return render(request, "identity/me.html", context)


@require_POST
@own_page
def choose_theme(request: OrgRequest) -> HttpResponse:
    """Keep the theme that was chosen in the menu."""
    form = ThemeForm(request.POST, instance=request.user)
    if not form.is_valid():
        return HttpResponse(status=400)
    form.save()
    return HttpResponse(status=204)


@require_POST
@own_page
def end_device(request: OrgRequest, device_id: int) -> HttpResponse:
    """Sign one of the operator's browsers out."""
    if not devices.end(request.user, device_id):
        raise Http404
    messages.success(request, "That browser is signed out.")
    return redirect("me")


@require_POST
@own_page
def end_other_devices(request: OrgRequest) -> HttpResponse:
    """Sign the operator out everywhere but here."""
    ended = devices.end_others(request)
    browsers = "1 other browser is" if ended == 1 else f"{ended} other browsers are"
    messages.success(request, f"{browsers} signed out.")
    return redirect("me")


@require_GET
@own_page
def second_factor_required(request: OrgRequest) -> HttpResponse:
    """Lead an operator to a second factor, which their organization asks for."""
    asking = [access for access in request.accesses if lacks_second_factor(request.user, access)]
    if not asking:
        return redirect("overview")
    others = [access for access in request.accesses if access not in asking]
    context = {"asking": asking, "others": others, **_factors(request)}
    return render(request, "identity/second_factor_required.html", context)


@require_GET
@operator_page(Permission.USER_MANAGE)
def lockout_list(request: OrgRequest) -> HttpResponse:
    """List the members who are locked out."""
    context = {
        "lockouts": lockouts.lockouts_of(request.access.org_id),
        "most": lockouts.MAX_SHOWN,
    }
    return render(request, "identity/lockouts.html", context)


@require_POST
@operator_page(Permission.USER_MANAGE)
def lift_lockout(request: OrgRequest, lockout_id: int) -> HttpResponse:
    """Let a member try again at once."""
    lifted = lockouts.lift(org_id=request.access.org_id, lockout_id=lockout_id, actor=request.actor)
    if lifted is None:
        raise Http404
    messages.success(request, f"{lifted.operator} may sign in again.")
    return redirect("lockouts")


def _factors(request: OrgRequest) -> dict[str, Any]:
    """Sort what the operator signs in with, beside a password."""
    rows = list(Authenticator.objects.filter(user=request.user).order_by("created_at"))
    by_type = {row.type: row for row in rows}
    codes = by_type.get(Authenticator.Type.RECOVERY_CODES)
    return {
        "passkeys": [row for row in rows if row.type == Authenticator.Type.WEBAUTHN],
        "app": by_type.get(Authenticator.Type.TOTP),
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else None,
        "has_password": request.user.has_usable_password(),
    }
