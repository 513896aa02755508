"""`python -m ibex.worker`: Celery's workers with the beat inside, and the health server."""

import os
import shutil
import tempfile


def main() -> None:
    """Prepare the environment, then start; SIGTERM finishes running tasks and stops.

    What follows reads the environment when it is imported: prometheus_client decides at import
    whether children's counts are shared through files, so the imports stand here.
    """
    os.environ["IBEX_ROLE"] = "worker"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ibex.settings")
    folder = tempfile.mkdtemp(prefix="ibex-worker-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        from ibex.worker_process import run  # noqa: PLC0415 - see above

        run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
