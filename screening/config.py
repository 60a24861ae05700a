"""Every variable the service reads, typed, in one place. Documented in .env.example."""

import ipaddress
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent
MEBIBYTE = 1024 * 1024
TOKEN_CHARACTERS = 16  # at least
STORE_NEEDS = {"storages": "django-storages", "boto3": "boto3"}  # modules and packages of the extra `s3`
MAIL_SCHEMES = ("consolemail", "smtp", "smtp+tls", "smtp+ssl", "filemail", "memorymail", "dummymail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one upload may bring. Said on the upload page and by the API before anything is sent."""

    file_bytes: int
    archive_bytes: int
    archive_entries: int
    archive_expanded_bytes: int
    pixels: int  # rows x columns of one frame
    frames: int
    files: int  # items in one upload


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRules:
    """Where webhooks may be sent. Nothing here opens what is not named."""

    plain_http: bool  # whether an address may be http
    networks: tuple[Network, ...]  # of private addresses that the operator allows
    ports: tuple[int, ...]
    ca_file: str  # certificates to trust instead of the system's; empty: the system's


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where an S3-compatible store keeps files. Who may use it is told by AWS_ACCESS_KEY_ID and its kin, never here."""

    bucket: str
    prefix: str  # of every key; empty: none
    endpoint: str  # empty: Amazon's
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    secret_key: str
    debug: bool
    port: int  # of the web process of an embedded installation, on the loopback address
    allowed_hosts: tuple[str, ...]
    trusted_origins: tuple[str, ...]
    secure_cookies: bool  # set where the service is reached by https
    database_url: str
    redis_url: str
    store: StoreAddress | None  # of pictures, raw files and keys; None: folders of state_dir
    cache_bytes: int  # of copies of what the store holds, on this machine
    state_dir: Path  # database, blobs, keys, logs of an embedded installation
    model_root: Path
    lease_seconds: int  # lease on a claimed batch; renewed while it runs
    reconcile_seconds: int  # how often leases that ran out are brought back
    runtime: str  # what models are computed by: "auto", "tensorflow" or "openvino"
    precision: str  # "auto", "fp32" or "bf16"
    batch_size: int  # images per model call; 0: found by measuring
    poll_seconds: int  # how often an idle worker looks without being called
    decode_seconds: int  # wall time of one decoding child
    decode_mebibytes: int  # address space of one decoding child
    reduced_decoding: bool  # whether large JPEG 2000 radiographs are read at a part of their size
    site_name: str  # the first site of a fresh installation
    quiet_seconds: int  # without anything from a sender of DICOM, after which its upload is sealed
    dicom_listener: bool  # whether `make up` starts the process that takes C-STORE
    dicom_address: str  # where that process listens
    dicom_port: int
    dicom_ae_title: str  # what senders call it
    dicom_associations: int  # at the same time
    metrics_token: str  # opens /metrics; empty: there is no such page
    public_url: str  # under which people and programs reach the service: links in e-mail and webhooks begin with it
    email_url: str  # the mail server
    email_from: str
    webhooks: WebhookRules
    limits: Limits


class _Reader:
    """Read typed values and remember what was wrong with each."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        value = self.env.get(name, "") or default
        if value is None:
            self.problems.append(f"{name} is not set")
            return ""
        return value

    def whole(self, name: str, default: int, at_least: int = 1) -> int:
        value = self.env.get(name, "") or str(default)
        if not value.isdecimal() or int(value) < at_least:
            self.problems.append(f"{name} must be a whole number of at least {at_least}, got {value!r}")
            return default
        return int(value)

    def token(self, name: str) -> str:
        value = self.env.get(name, "")
        if value and (len(value) < TOKEN_CHARACTERS or not (value.isascii() and value.isprintable()) or " " in value):
            # The value is a secret: it is not repeated.
            self.problems.append(f"{name} must be at least {TOKEN_CHARACTERS} printable ASCII characters, no spaces")
        return value

    def ae_title(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not (0 < len(value) <= 16 and value.isascii() and value.isprintable() and "\\" not in value):
            self.problems.append(f"{name} must be 1 to 16 ASCII characters without a backslash, got {value!r}")
        return value

    def yes(self, name: str, *, default: bool) -> bool:
        value = self.env.get(name, "") or str(default).lower()
        if value not in {"true", "false"}:
            self.problems.append(f"{name} must be true or false, got {value!r}")
        return value == "true"

    def one_of(self, name: str, among: tuple[str, ...]) -> str:
        """The first is the default."""
        value = self.env.get(name, "") or among[0]
        if value not in among:
            self.problems.append(f"{name} must be one of {', '.join(among)}, got {value!r}")
        return value

    def names(self, name: str, default: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.text(name, default).split(",") if part.strip())

    def networks(self, name: str) -> tuple[Network, ...]:
        found: list[Network] = []
        for part in self.names(name, " "):
            try:
                found.append(ipaddress.ip_network(part))
            except ValueError:
                self.problems.append(f"{name} must be networks such as 10.1.0.0/16, got {part!r}")
        return tuple(found)

    def ports(self, name: str, default: str) -> tuple[int, ...]:
        parts = self.names(name, default)
        wrong = [part for part in parts if not part.isdecimal() or not 0 < int(part) < 65536]
        if wrong:
            self.problems.append(f"{name} must be port numbers, got {', '.join(wrong)}")
        return tuple(int(part) for part in parts if part not in wrong)

    def url(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            # The value may hold a password: it is not repeated.
            self.problems.append(f"{name} must start with one of {', '.join(s + '://' for s in schemes)}")
        return value

    def store(self, name: str) -> StoreAddress | None:
        value = self.env.get(name, "")
        parts = _split(value)
        more = dict(parse_qsl(parts.query))
        endpoint = _split(more.pop("endpoint", ""))
        region = more.pop("region", "")
        wrong = parts.scheme != "s3" or not parts.hostname or parts.netloc != parts.hostname or parts.fragment or more
        if value and (wrong or endpoint.scheme not in {"", "http", "https"} or "@" in endpoint.netloc):
            # A key that somebody wrote into it is not repeated.
            self.problems.append(
                f"{name} must be s3://bucket/prefix?endpoint=http://host:port&region=name, without keys: "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY bring those"
            )
        if not value:
            return None
        lacking = [package for module, package in STORE_NEEDS.items() if find_spec(module) is None]
        if lacking:
            self.problems.append(
                f"{name} needs {' and '.join(lacking)}: pip install --require-hashes -r requirements/s3.txt"
            )
        return StoreAddress(
            bucket=parts.hostname or "", prefix=parts.path.strip("/"), endpoint=endpoint.geturl(), region=region
        )


def _split(address: str) -> SplitResult:
    """Split an address; one that cannot be split has a scheme that nothing takes."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("wrong:")


def _read_limits(read: _Reader) -> Limits:
    return Limits(
        file_bytes=read.whole("LIMIT_FILE_MEBIBYTES", 512) * MEBIBYTE,
        archive_bytes=read.whole("LIMIT_ARCHIVE_MEBIBYTES", 4096) * MEBIBYTE,
        archive_entries=read.whole("LIMIT_ARCHIVE_ENTRIES", 20_000),
        archive_expanded_bytes=read.whole("LIMIT_ARCHIVE_EXPANDED_MEBIBYTES", 16_384) * MEBIBYTE,
        pixels=read.whole("LIMIT_MEGAPIXELS", 60) * 1_000_000,
        frames=read.whole("LIMIT_FRAMES", 512),
        files=read.whole("LIMIT_FILES", 20_000),
    )


def _read_webhooks(read: _Reader) -> WebhookRules:
    return WebhookRules(
        plain_http=read.yes("WEBHOOK_PLAIN_HTTP", default=False),
        networks=read.networks("WEBHOOK_ALLOWED_NETWORKS"),
        ports=read.ports("WEBHOOK_PORTS", "443,8443"),
        ca_file=read.text("WEBHOOK_CA_FILE", ""),
    )


def state_folder(env: Mapping[str, str]) -> Path:
    """Where an embedded installation keeps everything it makes."""
    return Path(env.get("STATE_DIR", "") or ROOT / "var").absolute()


def secret_file(state: Path) -> Path:
    """Where an embedded installation keeps the secret that its first start made."""
    return state / "secret_key"


def _kept_secret(state: Path) -> str | None:
    kept = secret_file(state)
    return kept.read_text().strip() if kept.is_file() else None


def broker_socket(state: Path) -> Path:
    """Where the broker of an embedded installation listens, the same for every process of it.

    A socket's path ends at about 107 bytes: a deep checkout gets one in the temporary folder.
    """
    usual = state / "valkey" / "valkey.sock"
    if len(os.fsencode(usual)) <= 100:
        return usual
    short = sha256(os.fsencode(state)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"screening-{os.getuid()}-{short}" / "valkey.sock"


def read_config(env: Mapping[str, str]) -> Config:
    """Build the configuration, reporting every problem at once.

    Raises:
        ImproperlyConfigured: names each missing or malformed variable.
    """
    read = _Reader(env)
    state = state_folder(env)
    config = Config(
        secret_key=read.text("SECRET_KEY", _kept_secret(state)),
        debug=read.yes("DEBUG", default=False),
        port=read.whole("PORT", 8000),
        allowed_hosts=read.names("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]"),
        trusted_origins=tuple(part for part in read.names("TRUSTED_ORIGINS", " ") if part),
        secure_cookies=read.yes("SECURE_COOKIES", default=False),
        database_url=read.url(
            "DATABASE_URL", f"sqlite:///{state / 'screening.sqlite3'}", ("sqlite", "postgres", "postgresql")
        ),
        redis_url=read.url("REDIS_URL", f"redis+socket://{broker_socket(state)}", ("redis", "rediss", "redis+socket")),
        store=read.store("STORAGE_URL"),
        cache_bytes=read.whole("CACHE_MEBIBYTES", 4096, at_least=64) * MEBIBYTE,
        state_dir=state,
        model_root=Path(env.get("MODEL_ROOT", "") or ROOT / "models").absolute(),
        lease_seconds=read.whole("LEASE_SECONDS", 15, at_least=2),
        reconcile_seconds=read.whole("RECONCILE_SECONDS", 10),
        runtime=read.one_of("RUNTIME", ("auto", "tensorflow", "openvino")),
        precision=read.one_of("PRECISION", ("auto", "fp32", "bf16")),
        batch_size=read.whole("BATCH_SIZE", 0, at_least=0),
        poll_seconds=read.whole("POLL_SECONDS", 2),
        decode_seconds=read.whole("DECODE_SECONDS", 60),
        decode_mebibytes=read.whole("DECODE_MEBIBYTES", 3072, at_least=256),
        reduced_decoding=read.yes("REDUCED_DECODING", default=False),
        site_name=read.text("SITE_NAME", "First site"),
        quiet_seconds=read.whole("DICOM_QUIET_SECONDS", 60),
        dicom_listener=read.yes("DICOM_LISTENER", default=False),
        dicom_address=read.text("DICOM_ADDRESS", "127.0.0.1"),
        dicom_port=read.whole("DICOM_PORT", 11112),
        dicom_ae_title=read.ae_title("DICOM_AE_TITLE", "CHESTSCREEN"),
        dicom_associations=read.whole("DICOM_ASSOCIATIONS", 4),
        metrics_token=read.token("METRICS_TOKEN"),
        public_url=read.url("PUBLIC_URL", f"http://localhost:{env.get('PORT', '') or 8000}", ("http", "https")).rstrip(
            "/"
        ),
        email_url=read.url("EMAIL_URL", "consolemail://", MAIL_SCHEMES),
        email_from=read.text("EMAIL_FROM", "Chest screening <noreply@localhost>"),
        webhooks=_read_webhooks(read),
        limits=_read_limits(read),
    )
    if read.problems:
        raise ImproperlyConfigured("Fix these variables (see .env.example): " + "; ".join(read.problems))
    return config
