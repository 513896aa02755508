"""Routes of the console's pages of sessions."""

from django.urls import path

from sessions import views
from sessions.bulk import ACTIONS as BULK_ACTIONS

SESSION = "sessions/<uuid:session_id>/"
TURN = f"{SESSION}turns/<int:index>/"

urlpatterns = [
    path("sessions/", views.sessions, name="sessions"),
    *[
        path(
            f"sessions/bulk/{action}/",
            views.sessions_bulk,
            {"action": action},
            name=f"{action}-sessions",
        )
        for action in BULK_ACTIONS
    ],
    path(SESSION, views.session, name="session"),
    path(f"{SESSION}peek/", views.session_peek, name="session-peek"),
    path(f"{SESSION}tail/", views.session_tail, name="session-tail"),
    path(f"{SESSION}archive/", views.session_archive, name="session-archive"),
    path(f"{SESSION}terminate/", views.terminate_session, name="session-terminate"),
    path(TURN, views.turn, name="turn"),
    *[
        path(f"{TURN}{part}/", views.turn_body, {"part": part}, name=f"turn-{part}")
        for part in ("request", "answer")
    ],
    path(f"{TURN}pieces/<int:number>/", views.turn_piece, name="turn-piece"),
    path(f"{TURN}prompt/", views.turn_prompt, name="turn-prompt"),
    path(f"{TURN}why/", views.why, name="why"),
    *[
        path(
            f"{TURN}why/memories/<uuid:memory_id>/{action}/",
            views.act_on_memory,
            {"action": action},
            name=f"why-{action}",
        )
        for action in views.ACTIONS
    ],
    path("agents/<uuid:agent_id>/sessions/", views.agent_sessions, name="agent-sessions"),
]
