"""Routes of the console's pages of directives."""

from django.urls import path

from directives import views

urlpatterns = [
    path("directives/", views.directives, name="directives"),
    path("agents/<uuid:agent_id>/directive/", views.directive, name="agent-directive"),
]
