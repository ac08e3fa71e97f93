# Two images: `api`, without torch, which is also the courier's, and `worker`.
# A folder `wheels` beside this file, if there is one, is looked into for packages; so is the index that pip is told of.
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
COPY pyproject.toml constraints.txt wheels* ./
RUN python -m venv --without-pip /opt/darkroom \
 && python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
open('api.txt', 'w').write('\n'.join(project['dependencies'])); \
open('worker.txt', 'w').write('\n'.join(project['optional-dependencies']['worker']))"
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/darkroom/bin/python install --no-compile --find-links . -c constraints.txt -r api.txt

FROM build AS build-api
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    rm -r worker/models && pip --python /opt/darkroom/bin/python install --no-compile --no-deps .

FROM build AS build-worker
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/darkroom/bin/python install --no-compile --find-links . -c constraints.txt -r worker.txt
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/darkroom/bin/python install --no-compile --no-deps .

FROM ${PYTHON_IMAGE} AS runtime
LABEL org.opencontainers.image.title="Darkroom" \
      org.opencontainers.image.description="An HTTP service that turns prompts into pictures, many at once in one batch" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 darkroom \
 && useradd --uid 10001 --gid darkroom --no-create-home --home-dir /state darkroom \
 && install -d -o darkroom -g darkroom /state
ENV PATH=/opt/darkroom/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DARKROOM_STATE_DIR=/state
WORKDIR /state
VOLUME /state
USER 10001:10001
STOPSIGNAL SIGTERM

FROM runtime AS api
ENV DARKROOM_HOST=0.0.0.0
COPY --from=build-api /opt/darkroom /opt/darkroom
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
CMD ["darkroom", "api"]

FROM runtime AS worker
COPY --from=build-worker /opt/darkroom /opt/darkroom
CMD ["darkroom", "worker"]
