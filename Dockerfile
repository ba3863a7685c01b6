# Python 3.11, which all tests run with. Pin the image you build on by its digest, so that the same commit gives the same
# image:
#   docker build --build-arg PYTHON=docker.io/library/python:3.11-slim-bookworm@sha256:<digest> .
ARG PYTHON=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON} AS build
# requirements-otlp.lock adds the extra `otlp`, which pushes metrics and traces to an OpenTelemetry collector:
#   docker build --build-arg REQUIREMENTS=requirements-otlp.lock .
ARG REQUIREMENTS=requirements.lock
COPY ${REQUIREMENTS} /tmp/requirements.lock
# pip installs only what the lock names, and only files with the lock's hashes. The virtual environment has no pip: the
# build image's pip installs into it.
RUN python -m venv --without-pip /opt/taskgate \
    && pip --python /opt/taskgate/bin/python --disable-pip-version-check install --no-cache-dir --no-compile \
      --require-hashes --only-binary :all: -r /tmp/requirements.lock
# Bytecode of all that the function imports. The container cannot write any, so without it each start from zero compiles
# what it imports: 1.54 s instead of 0.47 s. unchecked-hash: valid whatever time the files get when they are copied.
# Left out is the bytecode of the largest packages that the function never imports. The packages themselves stay whole:
# nobody else tests a package with parts cut out. tests/image fails when the function compiles a file at run time.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -x '/site-packages/(aiohttp|gunicorn|kubernetes/(aio|client/(api|models)|dynamic)|oauthlib|watchdog|websocket)/' \
    /opt/taskgate/lib
# The function is copied, not installed: pip would build it with setuptools, which no lock holds.
COPY func /app/func
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /app -p /opt/taskgate/app /app

FROM ${PYTHON}
# The official image has no bytecode of the standard library either. A function needs no package installer.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel \
    && rm -rf /usr/local/lib/python3.*/ensurepip \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      -x '/(distutils|idlelib|lib2to3|pydoc_data|test|tkinter|turtledemo|unittest)/' /usr/local/lib
# Two layers: a new version of the function alone is one of 0.2 MB.
COPY --from=build /opt/taskgate /opt/taskgate
COPY --from=build /app /opt/taskgate/app
WORKDIR /opt/taskgate/app
# DONTWRITEBYTECODE: there is nowhere to write to. UNBUFFERED: a log line is out before the pod goes. ARENA_MAX: otherwise
# each thread keeps the memory of the largest body that it had to read, 540 MiB in all instead of 230 after some of 23 MiB.
ENV PATH=/opt/taskgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=1
# By number, as `runAsNonRoot` cannot look up a name. All files belong to root: the process can change none of them.
USER 65532:65532
ENTRYPOINT ["python", "-m", "func"]
# On all addresses, as the default is 127.0.0.1; on PORT, which Knative sets, or 8080.
CMD ["serve", "--host", "0.0.0.0"]
