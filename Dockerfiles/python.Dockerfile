# The Python runtime: what `exec.kind` python runs in. BASE may have Python already; else Debian's is installed.
#     docker build -f Dockerfiles/python.Dockerfile .
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS interpreter
RUN command -v python3 >/dev/null || { \
        apt-get update && apt-get install -y --no-install-recommends python3-minimal libpython3-stdlib \
            && rm -rf /var/lib/apt/lists/*; \
    }

# Compiled beforehand: a container's user may not write beside the scripts.
FROM interpreter AS scripts
COPY runtimes/python/ /src/
RUN mkdir -p /opt/oxwhisk/python && cp /src/*.py /opt/oxwhisk/python/ \
    && python3 -m compileall -q /opt/oxwhisk/python && chmod -R a+rX,go-w /opt/oxwhisk

FROM interpreter
COPY --from=scripts /opt/oxwhisk/ /opt/oxwhisk/
# Actions write to /tmp only, so it also runs with a read-only root: docker run --read-only --tmpfs /tmp.
USER 65532:65532
ENV HOME=/tmp
WORKDIR /tmp
EXPOSE 8080
ENTRYPOINT ["python3", "/opt/oxwhisk/python/server.py"]
