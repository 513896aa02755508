"""allauth's pages at our addresses: framed, and honest when what they need is away."""

import smtplib
from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import redis
import requests
import structlog
from allauth.account import views as account
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from ibex.http import wants_fragment
from orgs.access import OrgRequest, frame

AWAY = (redis.RedisError, smtplib.SMTPException, requests.RequestException, OSError)

log = structlog.get_logger(__name__)
View = Callable[..., Any]


def door(view: View) -> View:
    """Open a page of allauth: in the frame of the organization, where one is signed in.

    Limits and used codes are kept in Redis, links go by mail, a provider is asked over the
    network. While one of them is away nobody is let in by luck: the page says so, with a 503.
    """

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            frame(cast("OrgRequest", request))
        try:
            return cast("HttpResponse", view(request, *args, **kwargs))
        except AWAY as error:
            log.warning("sign_in.unavailable", path=request.path, error=type(error).__name__)
            return render(request, "identity/unavailable.html", status=503)

    return page


@door
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask who is there; a fragment's request, whose session ended, moves the whole page here."""
    if wants_fragment(request) and request.method == "GET":
        came_from = urlsplit(request.headers.get("HX-Current-URL", ""))
        back = f"{came_from.path or '/'}{'?' if came_from.query else ''}{came_from.query}"
        return HttpResponse(headers={"HX-Redirect": f"{request.path}?{urlencode({'next': back})}"})
    return cast("HttpResponse", account.login(request))


@door
def reset_password(request: HttpRequest) -> HttpResponse:
    """Send a link by mail, where mail is sent at all."""
    if not settings.SENDS_MAIL:
        return render(request, "identity/no_mail.html")
    return cast("HttpResponse", account.password_reset(request))


@require_POST
@door
def sign_in_elsewhere(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Go to the identity provider, by a page in between.

    The policy says `form-action 'self'`, which browsers apply to where a form's answer leads;
    so the answer is a page that leads on. Only signing in is offered, no linking of accounts.
    """
    if "process" in request.POST or "process" in request.GET:
        raise Http404
    answer: HttpResponse = openid_connect.login(request, provider_id)
    target = answer.headers.get("Location", "")
    if not urlsplit(target).netloc:
        return answer
    response = render(
        request, "identity/leaving.html", {"target": target, "name": settings.OIDC_NAME}
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def own_settings(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view has a request
    """Lead to the operator's page, which lists their passkeys and authenticators."""
    return redirect("me")
