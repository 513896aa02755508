"""Routes of the role `dashboard`: the operators' console."""

from orgs.urls import urlpatterns

__all__ = ["urlpatterns"]
