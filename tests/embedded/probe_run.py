"""What a command finds under `python -m ibex.embedded run`; prints it as JSON."""

import json
import os
import sys

import psycopg
import redis
from environs import env
from kombu import Connection
from psycopg import errors

OWN = "SELECT current_user, rolsuper, rolbypassrls, rolcreatedb FROM pg_roles WHERE rolname = user"


def as_django(name: str) -> psycopg.Connection:
    """Connect with the pieces that dj-database-url hands to Django."""
    parts = env.dj_db_url(name)
    return psycopg.connect(
        host=parts["HOST"],
        port=parts["PORT"],
        dbname=parts["NAME"],
        user=parts["USER"],
        password=parts["PASSWORD"],
        autocommit=True,
    )


def may_create_tables(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("CREATE TABLE mine (a int)")
    except errors.InsufficientPrivilege:
        return False
    return True


def rows_behind_a_closed_policy(owner: psycopg.Connection, app: psycopg.Connection) -> list[int]:
    owner.execute("CREATE TABLE kept (a int)")
    owner.execute("INSERT INTO kept VALUES (1)")
    open_rows = app.execute("SELECT count(*) FROM kept").fetchone()[0]
    owner.execute("ALTER TABLE kept ENABLE ROW LEVEL SECURITY")
    return [open_rows, app.execute("SELECT count(*) FROM kept").fetchone()[0]]


def a_new_database(owner: psycopg.Connection) -> list[str]:
    owner.execute("CREATE DATABASE another")
    address = os.environ["IBEX_DATABASE_OWNER_URL"].removesuffix("/ibex") + "/another"
    with psycopg.connect(address) as fresh:
        fresh.execute("CREATE TABLE vectors (v vector(3))")
        return fresh.execute(
            "SELECT relacl::text FROM pg_class WHERE relname = 'vectors'"
        ).fetchone()


def through_celery() -> str:
    with Connection(os.environ["IBEX_CELERY_BROKER_URL"]) as broker:
        queue = broker.SimpleQueue("probe")
        queue.put("work")
        return queue.get(timeout=5).payload


owner = psycopg.connect(os.environ["IBEX_DATABASE_OWNER_URL"], autocommit=True)
app = as_django("IBEX_DATABASE_URL")
cache = redis.Redis.from_url(os.environ["IBEX_REDIS_URL"])
show = owner.execute("SELECT name, setting FROM pg_settings").fetchall()
facts = {
    "owner": owner.execute(OWN).fetchone(),
    "app": app.execute(OWN).fetchone(),
    "version": owner.info.server_version,
    "settings": dict(show),
    "encoding": owner.execute("SHOW server_encoding").fetchone(),
    "owner_creates": may_create_tables(owner),
    "app_creates": may_create_tables(app),
    "closed_policy": rows_behind_a_closed_policy(owner, app),
    "another": a_new_database(owner),
    "redis": cache.ping(),
    "redis_port": cache.config_get("port")["port"],
    "celery": through_celery(),
    "environment": dict(os.environ),
}
json.dump(facts, sys.stdout)
