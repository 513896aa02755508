"""The real worker, which also knows the kinds of job that tests have."""

from celery.signals import worker_init

from ibex.worker import main


@worker_init.connect
def know_the_kinds_of_tests(**_info: object) -> None:
    from tests.jobs import kinds  # noqa: PLC0415 - models need the worker's set-up first

    kinds.register()


if __name__ == "__main__":
    main()
