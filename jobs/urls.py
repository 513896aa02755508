"""Routes of background work in the console."""

from django.urls import path

from jobs import views

urlpatterns = [
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/bell/", views.bell, name="jobs-bell"),
    path("jobs/read/", views.read_all, name="read-jobs"),
    path("jobs/<uuid:job_id>/", views.job, name="job"),
    path("jobs/<uuid:job_id>/peek/", views.job_peek, name="job-peek"),
    path("jobs/<uuid:job_id>/row/", views.job_row, name="job-row"),
    path("jobs/<uuid:job_id>/cancel/", views.cancel_job, name="cancel-job"),
    path("jobs/<uuid:job_id>/retry/", views.retry_job, name="retry-job"),
]
