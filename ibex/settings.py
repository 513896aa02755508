"""Django's settings, for every role. All values come from the environment (`ibex/env.py`)."""

from pathlib import Path

from ibex.archives import archive_storage
from ibex.env import env, environment
from ibex.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent

ENVIRONMENT = environment()
DEVELOPMENT = ENVIRONMENT == "development"
ROLE: str = env.str("IBEX_ROLE", "manage")
ROLES = ("memory", "api", "dashboard", "worker", "manage")
if ROLE not in ROLES:
    raise SystemExit(f"IBEX_ROLE must be one of {', '.join(ROLES)}, not {ROLE!r}.")

SECRET_KEY: str = env.str("IBEX_SECRET_KEY")
TOKEN_KEY: str = env.str("IBEX_TOKEN_KEY")
SERVICE_TOKEN: str = env.str("IBEX_SERVICE_TOKEN")
DEBUG = False
ALLOWED_HOSTS: list[str] = env.list(
    "IBEX_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"] if DEVELOPMENT else []
)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("IBEX_TRUSTED_ORIGINS", [])

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "orgs",
    "agents",
    "directives",
    "control",
    "sessions",
    "memories",
    "analytics",
    "jobs",
    "privacy",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ibex.middleware.RequestIdMiddleware",
    "ibex.security.ContentSecurityPolicyMiddleware",
    "ibex.security.NoStoreMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = f"ibex.urls.{ROLE}" if ROLE in {"memory", "api", "dashboard"} else "ibex.urls.manage"
ASGI_APPLICATION = "ibex.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# What a vector search needs; see ADR 0035. Django prepares no statements, so plans fit their values,
# while foreign keys and functions keep theirs.
SEARCH_OPTIONS = "-c hnsw.ef_search=100 -c hnsw.iterative_scan=relaxed_order"
DATABASES = {"default": env.dj_db_url("IBEX_DATABASE_URL")}
DATABASES["default"]["OPTIONS"] = {"options": SEARCH_OPTIONS}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if ROLE in {"memory", "api", "dashboard"}:
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": env.int("IBEX_DATABASE_POOL", 10),
        "timeout": 5,
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 300
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL: str = env.str("IBEX_REDIS_URL")
CELERY_BROKER_URL: str = env.str("IBEX_CELERY_BROKER_URL", REDIS_URL)
EMBEDDER_URL: str = env.str("IBEX_EMBEDDER_URL", "http://127.0.0.1:8004")
HOME = Path(env.str("IBEX_HOME", "./var"))

AUTH_USER_MODEL = "orgs.Operator"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "sign-in"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "orgs.authentication.TokenAuthentication",
        "orgs.authentication.OperatorAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "ibex.api.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "archive": archive_storage(
        env.str("IBEX_ARCHIVE_URL", ""),
        default=HOME / "archive",
        access_key=env.str("AWS_ACCESS_KEY_ID", None),
        secret_key=env.str("AWS_SECRET_ACCESS_KEY", None),
    ),
}
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = not DEVELOPMENT
CSRF_COOKIE_SECURE = not DEVELOPMENT
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 0 if DEVELOPMENT else 31_536_000
SECURE_SSL_REDIRECT = False  # TLS ends at the load balancer in front of each role
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

LOGGING_CONFIG = "logging.config.dictConfig"
LOGGING = logging_config(ROLE)

SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # TLS is the load balancer's, see SECURE_SSL_REDIRECT
    "security.W005",  # whether subdomains speak TLS is the operator's to say
    "security.W021",  # and so is the browsers' preload list
]
