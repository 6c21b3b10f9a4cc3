"""Encore's settings. Before: environment.py reads the variables. After: every app; wrong ones become system checks."""

import os
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import django_stubs_ext

from config import environment
from config.admin_theme import UNFOLD as UNFOLD
from config.postgres import Cluster
from config.version import VERSION

# Lets ModelForm[…] and ModelAdmin[…] carry their type at run time too.
django_stubs_ext.monkeypatch()

ROOT = environment.ROOT
environment.load_file(environment.read_folder("ENCORE_ENV_FILE", ROOT / ".env"))
ENCORE_VAR = environment.read_folder("ENCORE_VAR", ROOT / "var")
ENCORE_VERSION = VERSION
DEBUG = environment.read_boolean("ENCORE_DEBUG", default=False)
ALLOWED_HOSTS = environment.read_list("ENCORE_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = environment.read_list("ENCORE_TRUSTED_ORIGINS")
ENCORE_OWNER = environment.read_text("ENCORE_OWNER", "owner@localhost")
"""E-mail address of the owner account that the first start makes."""


def read_secret_key() -> str:
    """The secret key: from the environment, else one made at the first start and kept in ENCORE_VAR."""
    given = environment.read_text("ENCORE_SECRET_KEY")
    if given:
        return given
    kept = ENCORE_VAR / "secret_key"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            # O_EXCL settles the race of two processes that start at once: the first one's key counts.
            with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(os.urandom(48).hex())
        except FileExistsError:
            pass
    return kept.read_text(encoding="ascii").strip()


SECRET_KEY = read_secret_key()

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "accounts",
    "training",
    "recsys",
    "composer",
    "config",
]

MIDDLEWARE = [
    "config.limits.RequestSizeMiddleware",
    "config.security.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.one_time_password.OneTimePasswordMiddleware",
    "config.queries.QueryNamesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]


def read_database() -> dict[str, object]:
    """PostgreSQL at DATABASE_URL, else the embedded one under ENCORE_VAR."""
    parts = urlsplit(environment.read_text("DATABASE_URL") or Cluster(folder=ENCORE_VAR / "postgres").url())
    query = {name: texts[0] for name, texts in parse_qs(parts.query).items()}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        # A new connection per request costs more than most pages: the pool makes them 5–7 times faster.
        # A short reconnect time-out: the pool then tries again at each request instead of pausing ever longer.
        "OPTIONS": {**query, "pool": {"min_size": 1, "max_size": 12, "timeout": 4, "reconnect_timeout": 2}},
        # Each connection is tried before use, so the first request after a restart of the database works.
        "CONN_HEALTH_CHECKS": True,
        "TEST": {"NAME": f"test_{parts.path.lstrip('/')}"},
    }


DATABASES = {"default": read_database()}
ENCORE_DATABASE_SCHEME = urlsplit(environment.read_text("DATABASE_URL") or "postgresql:").scheme
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.Account"
AUTHENTICATION_BACKENDS = ["accounts.permissions.RoleBackend", "allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "signup": "accounts.forms.SignUpForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "reset_password_from_key": "accounts.forms.NewPasswordForm",
}
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"

EMAIL_HOST = environment.read_text("ENCORE_SMTP_HOST")
EMAIL_PORT = environment.read_whole_number("ENCORE_SMTP_PORT", 587, low=1, high=65535)
EMAIL_HOST_USER = environment.read_text("ENCORE_SMTP_USER")
EMAIL_HOST_PASSWORD = environment.read_text("ENCORE_SMTP_PASSWORD")
EMAIL_USE_TLS = environment.read_boolean("ENCORE_SMTP_TLS", default=True)
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
# Where mail arrives, a sign-up is confirmed by mail: a taken address is then answered like a free one.
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if EMAIL_HOST else "optional"
DEFAULT_FROM_EMAIL = environment.read_text("ENCORE_MAIL_FROM", "encore@localhost")

# Sign-in limits are counted here, so every web process sees the same count.
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"},
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = ENCORE_VAR / "static"
STATICFILES_DIRS = [ROOT / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static_files.HashedStorage"},
}
MEDIA_ROOT = ENCORE_VAR / "media"

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.json_requests.StorableJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["config.limits.AnonymousThrottle", "config.limits.AccountThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "anonymous": environment.read_text("ENCORE_RATE_ANONYMOUS", "120/min"),
        "account": environment.read_text("ENCORE_RATE_ACCOUNT", "1200/min"),
    },
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Encore",
    "DESCRIPTION": "Catalogue, feedback, recommendations and composed pieces.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    # Three fields named "status" have three sets of values.
    "ENUM_NAME_OVERRIDES": {
        "FeedbackStatus": "recsys.serializers.OUTCOMES",
        "CommissionStatus": "composer.models.Commission.Status",
        "RunStatus": "training.models.Run.Status",
    },
}

PROCRASTINATE_ON_APP_READY = None
PROCRASTINATE_WORKER_DEFAULTS = {"update_heartbeat_interval": 2, "stalled_worker_timeout": 6}

SESSION_COOKIE_AGE = int(timedelta(days=30).total_seconds())
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
ENCORE_HTTPS = environment.read_boolean("ENCORE_HTTPS", default=False)
"""True where the site is reached by https: cookies are marked secure and browsers are told to stay with it."""
ENCORE_PROXIES = environment.read_whole_number("ENCORE_PROXIES", 0, low=0, high=10)
"""How many proxies stand before the site: so many addresses from the right of X-Forwarded-For are believed."""
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENCORE_HTTPS
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if ENCORE_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENCORE_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
if ENCORE_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
ALLAUTH_TRUSTED_PROXY_COUNT = ENCORE_PROXIES
REST_FRAMEWORK["NUM_PROXIES"] = ENCORE_PROXIES
ENCORE_UPLOAD_MEGABYTES = environment.read_whole_number("ENCORE_UPLOAD_MEGABYTES", 8, low=1, high=1024)
"""Largest request: a thousand rows of feedback take a tenth of a megabyte, a MIDI file rarely a whole one."""
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = ENCORE_UPLOAD_MEGABYTES * 1024 * 1024

ENCORE_EPSILON = environment.read_number("ENCORE_EPSILON", 0.1, low=0.1, high=1.0)
"""Share of uniform choice among the candidates: what makes off-policy evaluation possible (at least 0.1)."""
ENCORE_SIMULATED = environment.read_boolean("ENCORE_SIMULATED", default=False)
"""True for the demo's database of simulated listeners: they never share a slot with people."""

ENCORE_FIRST_TUNES = environment.read_whole_number("ENCORE_FIRST_TUNES", 300, low=0, high=20_000)
"""Tunes of the starter catalogue that the first start imports at once; the rest follows in the background."""
ENCORE_COLLECTIONS = environment.read_list("ENCORE_COLLECTIONS")
"""Collections of the starter catalogue to import; empty means all. Two thirds of the tunes are for non-commercial use only."""
ENCORE_TRAINING_SECONDS = environment.read_whole_number("ENCORE_TRAINING_SECONDS", 0, low=0, high=86_400) or None
"""Upper limit of each training of the composer; None (0 in the environment) leaves it to the run's own configuration."""
ENCORE_COMMISSIONS_PER_LISTENER = environment.read_whole_number("ENCORE_COMMISSIONS_PER_LISTENER", 4, low=1, high=1000)
"""Pieces of one listener that may be waiting or being composed at once; a further wish is refused until one is done."""
ENCORE_COMMISSIONS = environment.read_whole_number("ENCORE_COMMISSIONS", 100, low=1, high=100_000)
"""The same over all listeners."""

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    # A line per job and per idle worker would bury everything else.
    "loggers": {f"procrastinate.{name}": {"level": "WARNING"} for name in ("blueprints", "jobs", "periodic", "worker")},
    "root": {"handlers": ["console"], "level": environment.read_text("ENCORE_LOG_LEVEL", "INFO")},
}
