# Three images: `api`, without torch; `courier`, which is that with another command; and `worker`.
# A folder `wheels` beside this file, if there is one, is looked into for packages; so is the index that pip is told of.
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml constraints.txt wheels* ./
RUN python -m venv --without-pip /opt/darkroom \
 && python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
extras = project['optional-dependencies']; \
open('api.txt', 'w').write('\n'.join(project['dependencies'] + extras['tracing'])); \
open('worker.txt', 'w').write('\n'.join(extras['worker']))"
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/darkroom/bin/python install --no-compile --find-links . -c constraints.txt -r api.txt \
 && find /opt/darkroom -path '*/uvloop/*.so' -exec strip {} +

# Beside the packages, the bytecode of all that a start imports, the base image's part too, and of nothing else.
FROM build AS build-api
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    rm -r worker/models && pip --python /opt/darkroom/bin/python install --no-compile --no-deps . \
 && PYTHONPYCACHEPREFIX=/opt/darkroom/bytecode /opt/darkroom/bin/python -P -c \
        "import app.cli, app.main, app.server, app.workers, worker.courier"

FROM build AS build-worker
# Another index, for another build of torch than the usual one, which is CUDA's: PyTorch's for CPUs makes a small image.
ARG TORCH_INDEX=""
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/darkroom/bin/python install --no-compile --find-links . -c constraints.txt -r worker.txt \
        ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/darkroom/bin/python install --no-compile --no-deps . \
 && PYTHONPYCACHEPREFIX=/opt/darkroom/bytecode /opt/darkroom/bin/python -P -c \
        "import app.cli, app.workers, worker.main, diffusers; diffusers.StableDiffusionPipeline"

FROM ${PYTHON_IMAGE} AS system
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
 && python -c "import ensurepip, shutil, site; \
[shutil.rmtree(folder, ignore_errors=True) for folder in (*site.getsitepackages(), *ensurepip.__path__)]" \
 && groupadd --gid 10001 darkroom \
 && useradd --uid 10001 --gid darkroom --no-create-home --home-dir /state --shell /usr/sbin/nologin darkroom \
 && install -d -o darkroom -g darkroom /state

# In one layer, and so without what was removed: pip and its like.
FROM scratch AS runtime
# hadolint ignore=DL3067
COPY --from=system / /
ENV PATH=/opt/darkroom/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/darkroom/bytecode \
    PYTHONUNBUFFERED=1 \
    DARKROOM_HOST=0.0.0.0 \
    DARKROOM_LOG_FORMAT=json \
    DARKROOM_STATE_DIR=/state \
    HEALTH_PORT=9100
WORKDIR /state
VOLUME /state
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--"]
HEALTHCHECK --interval=5s --timeout=10s --start-period=60s --retries=3 CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/$HEALTH_PORT && printf 'GET /livez HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q ' 200 ' <&3"]
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="Darkroom" \
      org.opencontainers.image.description="An HTTP service that turns prompts into pictures, many at once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM runtime AS api
COPY --from=build-api /opt/darkroom /opt/darkroom
ENV HEALTH_PORT=8000
EXPOSE 8000
CMD ["darkroom", "api"]

FROM runtime AS courier
COPY --from=build-api /opt/darkroom /opt/darkroom
ENV DARKROOM_METRICS_PORT=9100
EXPOSE 9100
CMD ["darkroom", "courier"]

FROM runtime AS worker
COPY --from=build-worker /opt/darkroom /opt/darkroom
ENV DARKROOM_METRICS_PORT=9100
EXPOSE 9100
CMD ["darkroom", "worker"]
