"""How the bundled Postgres is set: on its command line, so the settings are always this version's.

Its log tells about the server only. Failed statements and the values in them go to the
application, never into a file: they may hold what a memory says.
"""

import shutil
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only measured
SHARED_MEMORY_NEEDED = 512 * 2**20

COMMON = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "max_locks_per_transaction": "256",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "80MB",
    "max_wal_size": "512MB",
    "recovery_init_sync_method": "syncfs",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
DURABLE = {"synchronous_commit": "on"}
DISPOSABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "2GB",
}


def arguments(sockets: Path, *, temporary: bool) -> list[str]:
    """Return the command-line settings of a server; a temporary one trades durability for speed."""
    settings = COMMON | (DISPOSABLE if temporary else DURABLE)
    quoted = str(sockets).replace('"', '""')
    settings["unix_socket_directories"] = f'"{quoted}"'
    settings["dynamic_shared_memory_type"] = _shared_memory()
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _shared_memory() -> str:
    """Choose files where containers keep /dev/shm too small to build a vector index in parallel."""
    if SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).total >= SHARED_MEMORY_NEEDED:
        return "posix"
    return "mmap"
