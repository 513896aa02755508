"""`python -m ibex.worker`: Celery's workers with the beat inside, and the health server."""

import os

from ibex.folders import temporary_folder


def main() -> None:
    """Prepare the environment, then start; SIGTERM finishes running tasks and stops.

    What runs reads the environment when it is imported: prometheus_client decides at import
    whether children's counts are shared through files, so that import stands here.
    """
    os.environ["IBEX_ROLE"] = "worker"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ibex.settings")
    with temporary_folder("ibex-worker-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        from ibex.worker_process import run  # noqa: PLC0415 - see above

        run()


if __name__ == "__main__":
    main()
