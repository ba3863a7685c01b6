# The version that the tests run with. Pin what you build on by its digest, so that the same commit is the same image:
#   docker build --build-arg PYTHON=docker.io/library/python:3.11-slim-bookworm@sha256:<digest> .
ARG PYTHON=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON} AS build
# Only what requirements.lock names, and only with the hashes that stand there: what the function needs, and the extra
# `otlp`, 8 MB (2 MB compressed), which is loaded only where OTEL_EXPORTER_OTLP_ENDPOINT is set. The venv has no pip: the
# one of the build image installs into it.
COPY requirements.lock /tmp/requirements.lock
RUN python -m venv --without-pip /opt/taskgate
RUN pip --python /opt/taskgate/bin/python --disable-pip-version-check install --no-cache-dir --no-compile \
    --require-hashes --only-binary :all: -r /tmp/requirements.lock
# The function is copied, not installed: a build of it would fetch setuptools, which no lock holds.
COPY func /opt/taskgate/app/func
# Bytecode for all of it. The container cannot write any, so without it each start from zero compiles what it imports:
# 1.54 s instead of 0.47 s. unchecked-hash: valid whatever time the files get when they are copied.
#
# The package `kubernetes` takes 126 of the 179 MB of disk above the base image, 51 MB of it bytecode, nearly all of it
# models. It stays whole: its files are much alike, 10 MB in a compressed layer of 25 MB, which a node fetches once; files
# that are not imported cost no time at the start; and a package with parts cut out is one that nobody else tests.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/taskgate/lib /opt/taskgate/app

FROM ${PYTHON}
# The official image has no bytecode of the standard library either; nor does a function need a package installer.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel \
    && rm -rf /usr/local/lib/python3.*/ensurepip \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /usr/local/lib
COPY --from=build /opt/taskgate /opt/taskgate
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
# On all addresses, for the default is 127.0.0.1; on PORT, which Knative sets, or 8080.
CMD ["serve", "--host", "0.0.0.0"]
