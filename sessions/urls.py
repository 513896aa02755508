"""Routes of the console's pages of sessions."""

from django.urls import path

from sessions import views

urlpatterns = [
    path("sessions/", views.sessions, name="sessions"),
    path("sessions/<uuid:session_id>/", views.session, name="session"),
    path("sessions/<uuid:session_id>/archive/", views.session_archive, name="session-archive"),
    *[
        path(
            f"sessions/<uuid:session_id>/turns/<int:index>/{part}/",
            views.turn_body,
            {"part": part},
            name=f"turn-{part}",
        )
        for part in ("request", "answer")
    ],
    path("agents/<uuid:agent_id>/sessions/", views.agent_sessions, name="agent-sessions"),
]
