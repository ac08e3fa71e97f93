import hashlib
import os
import tempfile
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, ByteSize, Field, PositiveInt
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.contract import sentinel

UNIX_SOCKET_MAX_BYTES = 100  # Linux allows 107
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


def _redis_url(url: str) -> str:
    try:  # pydantic's own sentence would show the address, and so the password
        if url.startswith(sentinel.SCHEMES):
            sentinel.SentinelAddress.parse(url)
        elif url.startswith(REDIS_SCHEMES):
            _require_port(url)
        else:
            raise ValueError("A Redis address begins with redis://, rediss://, unix:// or redis+sentinel://")
    except ValueError as error:
        raise PydanticCustomError("redis_url", "{reason}", {"reason": str(error)}) from None
    return url


def _require_port(url: str) -> None:
    """Raises ValueError."""
    try:
        urlsplit(url).port  # noqa: B018 - which is a part of the password if that is not quoted
    except ValueError:
        raise ValueError(
            "A Redis address is redis://[user:password@]host:port[/db]; quote / ? # [ in a password as %2F.."
        ) from None


def _storage_url(url: str) -> str:
    if "://" not in url:
        raise PydanticCustomError("storage_url", "A storage address begins with its scheme, as file:/// or s3:// do")
    return url


def _otlp_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise PydanticCustomError("otlp_endpoint", "The address of an OTLP collector begins with http:// or https://")
    return url.rstrip("/")


def _ranges(text: str) -> str:
    try:
        return ",".join(str(ip_network(each)) for each in _words(text))
    except ValueError as error:
        raise PydanticCustomError("ranges", "{reason}", {"reason": str(error)}) from None


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


RedisUrl = Annotated[str, AfterValidator(_redis_url)]
StorageUrl = Annotated[str, AfterValidator(_storage_url)]
OtlpUrl = Annotated[str, AfterValidator(_otlp_url)]
Ranges = Annotated[str, AfterValidator(_ranges)]


class Settings(BaseSettings):
    """All settings, each from `DARKROOM_<NAME>` in the environment or from `.env`; a wrong value stops the start."""

    model_config = SettingsConfigDict(
        env_prefix="DARKROOM_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    state_dir: Path = Field(default=Path("state"), description="Where the embedded Redis and the pictures live.")
    redis_url: RedisUrl | None = Field(
        default=None,
        description=f"Unset: the Redis that `darkroom up` starts. Behind Sentinels: {sentinel.FORM}",
    )
    storage_url: StorageUrl | None = Field(default=None, description="Unset: the folder `images` of the state folder.")
    catalogue: Path | None = Field(default=None, description="A models.toml; unset: the embedded model alone.")

    host: str = Field(default="127.0.0.1", description="Where the API listens, and where the metrics are told.")
    port: int = Field(default=8000, ge=0, le=65535, description="0: any free port.")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="How callers reach the API through proxies, as https://images.example.org. "
        "Unset: as each request says.",
    )
    auth: Literal["auto", "keys", "open"] = Field(
        default="auto",
        description="auto: API keys are asked for once there is one, or where others can reach the API. keys: always. "
        "open: never.",
    )
    metrics: bool = Field(default=True, description="Whether /metrics answers: to everyone, and of no tenant.")
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Where a worker and a courier tell /metrics, /livez and /readyz; the workers of one machine and "
        "then its courier take the next ports. Unset: nowhere.",
    )
    signing_secret: str | None = Field(
        default=None,
        min_length=32,
        repr=False,
        description="Signs the addresses of pictures; unset: one that Redis keeps.",
    )
    redirect_images: bool = Field(
        default=False,
        description="Send who reads a picture to S3, GCS or Azure itself, by an address good for a minute.",
    )
    link_lifetime_s: int = Field(default=3_600, ge=60, description="How long a signed address of a picture is good.")
    max_body_bytes: int = Field(
        default=20_000_000,
        ge=1_000,
        le=1_000_000_000,
        description="A larger request body is refused; it is held whole.",
    )
    max_held_bytes: int = Field(
        default=200_000_000,
        ge=1_000,
        description="Of all bodies at once in one API process; a large one more gets a 503.",
    )
    max_picture_bytes: int = Field(
        default=10_000_000, ge=1_000, description="Of a picture that comes with a request; base64 makes a third more."
    )
    max_picture_pixels: int = Field(
        default=25_000_000,
        ge=1_000,
        le=1_000_000_000,
        description="Of such a picture, whose decoder may take 8 bytes a pixel; of a progressive JPEG half, of a WEBP "
        "a third, for theirs take more.",
    )
    max_picture_side: int = Field(default=8_192, ge=1, le=65_535, description="Width and height of such a picture.")
    picture_urls: bool = Field(
        default=False, description="Fetch pictures that a request names by their address, from public addresses alone."
    )
    max_queued: int = Field(default=1_000, ge=1, description="Jobs that wait per model; the next gets a 503.")
    max_queued_per_tenant: PositiveInt | None = Field(
        default=None, description="Jobs of one tenant that wait per model; the next gets a 429. Unset: as per model."
    )
    retention_s: int = Field(default=86_400, ge=60, description="How long an ended job and its pictures are kept.")
    job_timeout_s: int = Field(default=600, ge=1, description="A job that runs longer fails.")

    egress_allow: Ranges = Field(
        default="",
        description="Ranges that webhooks and image addresses may lead to though not public, as 10.1.0.0/16,...",
    )
    egress_ports: str = Field(
        default="443,80,8443",
        pattern=r"^\d{1,5}(,\d{1,5})*$",
        description="The ports that webhooks and image addresses may name.",
    )

    openai_wait_s: float = Field(
        default=300.0, gt=0, description="How long a client of OpenAI's API waits; then it gets a 504 and asks again."
    )
    openai_reattach_s: float = Field(
        default=30.0, ge=0, description="A job whose OpenAI client has gone is canceled, unless it comes again by then."
    )

    workers: PositiveInt | Literal["auto"] = Field(default="auto", description="auto: one per GPU, one without any.")
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N.")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto", description="auto: float16 on a GPU, float32 on a CPU."
    )
    memory: ByteSize | Literal["auto"] = Field(
        default="auto", description="For warm models and their runs, as 20GiB; auto: 90 % of the GPU, all of a CPU's."
    )
    threads: PositiveInt | Literal["auto"] = Field(default="auto", description="Of the CPU; auto: one a core.")
    compile: bool = Field(default=False, description="Compile the denoisers' blocks: faster steps, a slower start.")
    max_rows: int = Field(default=32, ge=1, description="Rows of one forward pass; guidance takes two a picture.")
    max_jobs: int = Field(default=16, ge=1, description="Jobs that one worker develops at once.")
    lease_s: float = Field(default=4.0, ge=0.5, description="A worker that is silent for so long is taken for dead.")
    stall_s: float = Field(
        default=120.0, ge=1, description="A worker whose engine is stuck for so long ends; more than any forward pass."
    )
    grace_s: float = Field(default=30.0, ge=0, description="How long a stopping worker goes on with its jobs.")

    log_format: Literal["text", "json"] = Field(default="text", description="json: one object a line.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="info: a line for each request and for each job that has ended, too."
    )
    otlp_endpoint: OtlpUrl | None = Field(
        default=None,
        description="Send traces there, by OTLP over HTTP, as http://collector:4318; it needs the extra `tracing`.",
    )

    @property
    def redis_socket(self) -> Path:
        """The embedded Redis listens here: in the state folder, unless its path is too long for a socket."""
        socket = self.state_dir.resolve() / "redis.sock"
        if len(os.fsencode(socket)) <= UNIX_SOCKET_MAX_BYTES:
            return socket
        digest = hashlib.sha256(os.fsencode(socket)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"darkroom-{os.getuid()}-{digest}" / "redis.sock"

    @property
    def redis_address(self) -> str:
        return self.redis_url or f"unix://{self.redis_socket}"

    @property
    def storage_address(self) -> str:
        return self.storage_url or (self.state_dir.resolve() / "images").as_uri()

    @property
    def egress_ranges(self) -> list[IPv4Network | IPv6Network]:
        return [ip_network(each) for each in _words(self.egress_allow)]

    @property
    def egress_port_numbers(self) -> list[int]:
        return [int(each) for each in _words(self.egress_ports)]
