"""Routes of the console's pages of directives."""

from django.urls import include, path

from directives import arrival, copying, history, views

of_agent = [
    path("", views.directive, name="agent-directive"),
    path("peek/", views.directive_peek, name="agent-directive-peek"),
    path("draft/", views.save_draft, name="agent-directive-save"),
    path("draft/discard/", views.discard_draft, name="agent-directive-discard"),
    path("drafts/<uuid:draft_id>/", history.draft, name="agent-directive-draft"),
    path("drafts/<uuid:draft_id>/take/", history.take_draft, name="agent-directive-take"),
    path("review/", views.review, name="agent-directive-review"),
    path("pushes/<int:number>/", arrival.push, name="agent-directive-push"),
    path("pushes/<int:number>/retry/", arrival.retry, name="agent-directive-retry"),
    path("versions/", history.versions, name="agent-directive-versions"),
    path("versions/<int:number>/", history.version, name="agent-directive-version"),
    path("versions/<int:number>/edit/", history.edit_from, name="agent-directive-edit-from"),
    path("versions/<int:number>/copy/", copying.copy, name="agent-directive-copy"),
    path("versions/<int:number>/roll-back/", history.roll_back, name="agent-directive-roll-back"),
]

urlpatterns = [
    path("directives/", views.directives, name="directives"),
    path("agents/<uuid:agent_id>/directive/", include(of_agent)),
]
