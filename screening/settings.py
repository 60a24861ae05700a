"""Django's settings, derived from the typed configuration."""

import os
import sys
from pathlib import Path
from typing import Any

import environ
import structlog
from csp.constants import NONE, SELF

from screening.config import ROOT, read_config
from screening.embedded import with_own_secret
from screening.logs import without_secrets

environ.Env.read_env(ROOT / ".env")
CONFIG = read_config(with_own_secret(os.environ))

SECRET_KEY = CONFIG.secret_key
DEBUG = CONFIG.debug
ALLOWED_HOSTS = list(CONFIG.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(CONFIG.trusted_origins)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "csp",
    "django_structlog",
    "screening.users",
    "screening.audit",
    "screening.outbox",
    "screening.uploads",
    "screening.studies",
    "screening.results",
    "screening.flows",
    "screening.classes",
    "screening.review",
    "screening.desk",
    "screening.people",
    "screening.numbers",
    "screening.housekeeping",
    "screening.classroom",
    "screening.hooks",
    "screening.backups",
    "screening.api",
    "screening.dicomweb",
    "screening.demo",
    "workers",
]
MIDDLEWARE = [
    "screening.api.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "screening.people.language.LanguageMiddleware",  # after the former: it asks who is there
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "screening.people.middleware.SignedOutMiddleware",
    "screening.people.middleware.DisclaimerMiddleware",
    "screening.people.middleware.RefusalMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "screening.urls"
WSGI_APPLICATION = "screening.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["screening.wording"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "screening.people.context.everywhere",
            ],
        },
    }
]

env = environ.Env()
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url_config(CONFIG.database_url)}
ON_SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")
if ON_SQLITE:
    # IMMEDIATE: with DEFERRED, a transaction that reads first and writes later fails at once under load.
    DATABASES["default"]["ENGINE"] = "screening.sqlite"
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["OPTIONS"] = {"connect_timeout": 5}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "people/locked.html"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False  # its log lines name users

CSRF_FAILURE_VIEW = "screening.people.error_pages.csrf_failed"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CONFIG.secure_cookies
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if CONFIG.secure_cookies else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "script-src": [SELF, "'wasm-unsafe-eval'"],  # the SHA-256 module where the browser's own is not offered
        "worker-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en"  # of the code, of machines, and of whoever wants none of the others
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # each as it calls itself; docs/translating.md says how to add one
LOCALE_PATHS = [ROOT / "locale"]
FORMAT_MODULE_PATH = ["screening.formats"]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60  # seconds
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = CONFIG.secure_cookies
# RequestIdMiddleware has let through nothing but a UUID: the one in the answer's header.
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True

TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static"]
STATIC_ROOT = CONFIG.state_dir / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # the embedded installation serves without a collect step

# Fifty files of a batch, each with its path field.
DATA_UPLOAD_MAX_NUMBER_FILES = 60
DATA_UPLOAD_MAX_NUMBER_FIELDS = 400
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024  # a `check` of 1,000 long paths
FILE_UPLOAD_TEMP_DIR = str(CONFIG.state_dir / "incoming")
FILE_UPLOAD_PERMISSIONS = 0o600

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "screening.api.authentication.ScopedTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "screening.api.errors.handle",
    "DEFAULT_THROTTLE_CLASSES": ["screening.api.throttling.RateThrottle"],
    # Three lanes of small requests stay far below it; a client that loops without waiting does not.
    "DEFAULT_THROTTLE_RATES": {"user": "3000/min", "lookup": "60/min", "webhook_test": "10/min"},
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# Our token model takes the place of knox's own, whose table would only hold on to users.
MIGRATION_MODULES = {"knox": None}
REST_KNOX = {"TOKEN_MODEL": "users.ApiToken", "AUTH_HEADER_PREFIX": "Token", "TOKEN_TTL": None}
KNOX_TOKEN_MODEL = "users.ApiToken"  # noqa: S105 - the name of a model
SPECTACULAR_SETTINGS = {
    "TITLE": "Chest screening",
    "DESCRIPTION": (
        "Batch screening of chest images. For education only, not a medical device.\n\n"
        "Open an upload, offer its files with `check`, send those that are `missing`, `seal` it, and poll `studies` "
        "with the cursor of the last answer. Every refusal is `{code, message, what_to_do}`; codes are stable."
    ),
    "TAGS": [
        {"name": "uploads", "description": "Send files and learn what became of each."},
        {"name": "studies", "description": "Results, reviews and the audit."},
        {"name": "images", "description": "Pictures as people see them."},
        {"name": "models", "description": "What can be chosen."},
        {"name": "webhooks", "description": "Addresses of your own that are told what happens."},
    ],
    "SWAGGER_UI_SETTINGS": {"deepLinking": False, "displayOperationId": False},
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "screening.api.openapi.finished",
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "UploadState": "screening.uploads.models.UploadState",
        "ArchiveState": "screening.uploads.models.ArchiveState",
        "StudyState": "screening.studies.models.StudyState",
        "CheckedState": "screening.flows.offers.STATES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                without_secrets,
                structlog.processors.JSONRenderer(),
            ],
            "foreign_pre_chain": [
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {name: {"level": "INFO"} for name in ("screening", "workers")},
}
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.filter_by_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use="pytest" not in sys.modules,
)

MAIL: dict[str, Any] = env.email_url_config(CONFIG.email_url)
EMAIL_BACKEND = MAIL["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = MAIL["EMAIL_HOST"] or "localhost", MAIL["EMAIL_PORT"] or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL["EMAIL_HOST_USER"] or "", MAIL["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL.get("EMAIL_USE_TLS", False), MAIL.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = f"/{MAIL['EMAIL_FILE_PATH']}" if MAIL["EMAIL_FILE_PATH"] else None
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = CONFIG.email_from

BLOB_ROOT: Path = CONFIG.state_dir / "blobs"
INCOMING_ROOT: Path = CONFIG.state_dir / "incoming"
KEY_ROOT: Path = CONFIG.state_dir / "keys"
STORE = (
    CONFIG.store
)  # where it is set, blobs, raw files and keys lie there, and these folders are for what is under way
CACHE_ROOT: Path = CONFIG.state_dir / "cache"
CACHE_BYTES = CONFIG.cache_bytes
# Django refuses to start without its upload folder. Owner only: raw bytes pass through it.
INCOMING_ROOT.mkdir(parents=True, exist_ok=True, mode=0o700)
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # empty in an embedded installation, and missed if it is not there
