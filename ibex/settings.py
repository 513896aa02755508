"""Django's settings, for every role. All values come from the environment (`ibex/env.py`)."""

from datetime import timedelta
from pathlib import Path

from environs import validate

from ibex.archives import archive_storage
from ibex.env import env, environment
from ibex.logs import logging_config
from ibex.mail import mail_settings
from ibex.ports import port

AT_LEAST_ONE = validate.Range(min=1)
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
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "axes",
    "orgs",
    "identity",
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
    "identity.middleware.OperatorMiddleware",
    "orgs.middleware.RecentMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
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

# What a vector search needs; see ADR 0035. Django prepares no statements, so plans fit their
# values, while foreign keys and functions keep theirs.
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
PROXY_URL: str = env.str("IBEX_PROXY_URL", f"http://localhost:{port('proxy')}").rstrip("/")
HOME = Path(env.str("IBEX_HOME", "./var"))
DEMO_DATA: bool = env.bool("IBEX_DEMO_DATA", DEVELOPMENT)

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
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: a locked-out attempt is never tried
    "allauth.account.auth_backends.AuthenticationBackend",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "account_login"

# Signing in (ADR 0011). Operators are invited: nobody signs up.
ACCOUNT_ADAPTER = "identity.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "IBEX: "
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if DEVELOPMENT else "https"
# Codes of a second factor, of one operator from everywhere; axes counts passwords and codes by
# address and client, and is what an admin sees and lifts.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/10m/key"}
ACCOUNT_FORMS = {
    "login": "identity.forms.SignInForm",
    "reauthenticate": "identity.forms.ConfirmByPasswordForm",
    "change_password": "identity.forms.ChangePasswordForm",
    "set_password": "identity.forms.SetPasswordForm",
    "reset_password": "identity.forms.ResetPasswordForm",
    "reset_password_from_key": "identity.forms.NewPasswordForm",
}
MFA_ADAPTER = "identity.adapters.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # an operator's address was somebody's to invite
MFA_TOTP_ISSUER = "IBEX"
MFA_TOTP_TOLERANCE = 1
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEVELOPMENT
MFA_FORMS = {
    "authenticate": "identity.forms.SecondFactorForm",
    "reauthenticate": "identity.forms.ConfirmByCodeForm",
    "activate_totp": "identity.forms.SetUpAppForm",
    "add_webauthn": "identity.forms.AddPasskeyForm",
}
SOCIALACCOUNT_ADAPTER = "identity.adapters.SingleSignOnAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
OIDC_URL: str = env.str("IBEX_OIDC_URL", "")
OIDC_NAME: str = env.str("IBEX_OIDC_NAME", "single sign-on")
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "sso",
                "name": OIDC_NAME,
                "client_id": env.str("IBEX_OIDC_CLIENT_ID", ""),
                "secret": env.str("IBEX_OIDC_CLIENT_SECRET", ""),
                "settings": {"server_url": OIDC_URL.rstrip("/")},
            }
        ]
        if OIDC_URL
        else [],
    }
}
AXES_FAILURE_LIMIT: int = env.int("IBEX_SIGN_IN_ATTEMPTS", 5, validate=AT_LEAST_ONE)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("IBEX_LOCKOUT_MINUTES", 15, validate=AT_LEAST_ONE))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # so that "how long" stays true
AXES_USERNAME_CALLABLE = "identity.lockouts.address_typed"
AXES_CLIENT_IP_CALLABLE = "ibex.http.client_ip"
AXES_LOCKOUT_CALLABLE = "identity.lockouts.lockout_page"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "login", "code", "csrfmiddlewaretoken"]
AXES_DISABLE_ACCESS_LOG = True  # the audit and the list of sessions say it
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# Rate limits of signing in and used codes, shared by all processes. Never call `clear()`: it
# would empty the whole Redis database.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "sign-in",
    }
}
MAIL = mail_settings(env.str("IBEX_EMAIL_URL", ""), development=DEVELOPMENT)
SENDS_MAIL = MAIL is not None
EMAIL_BACKEND = MAIL.backend if MAIL else "django.core.mail.backends.dummy.EmailBackend"
EMAIL_FILE_PATH = str(HOME / "mail")
EMAIL_HOST = MAIL.host if MAIL else ""
EMAIL_PORT = MAIL.port if MAIL else 25
EMAIL_HOST_USER = MAIL.user if MAIL else ""
EMAIL_HOST_PASSWORD = MAIL.password if MAIL else ""
EMAIL_USE_TLS = MAIL.starttls if MAIL else False
EMAIL_USE_SSL = MAIL.tls if MAIL else False
EMAIL_TIMEOUT = 10
CONSOLE_URL: str = env.str("IBEX_CONSOLE_URL", "")
DEFAULT_FROM_EMAIL: str = env.str("IBEX_EMAIL_FROM", "IBEX <ibex@localhost>")

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

SESSION_COOKIE_NAME = "sessionid" if DEVELOPMENT else "__Host-sessionid"
SESSION_COOKIE_AGE = env.int("IBEX_SESSION_HOURS", 12, validate=AT_LEAST_ONE) * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = not DEVELOPMENT
CSRF_COOKIE_NAME = "csrftoken" if DEVELOPMENT else "__Host-csrftoken"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
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
