# The Node.js runtime: what `exec.kind` nodejs runs in. BASE may have Node.js already; else Debian's is installed.
#     docker build -f Dockerfiles/nodejs.Dockerfile .
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS scripts
COPY runtimes/nodejs/ /src/
RUN mkdir -p /out && cp -r /src/*.js /src/cache /out/ && chmod -R a+rX,go-w /out

FROM ${BASE}
RUN command -v node >/dev/null || { \
        apt-get update && apt-get install -y --no-install-recommends nodejs && rm -rf /var/lib/apt/lists/*; \
    }
COPY --from=scripts /out/ /opt/oxwhisk/nodejs/
# Actions write to /tmp only, so it also runs with a read-only root: docker run --read-only --tmpfs /tmp.
USER 65532:65532
ENV HOME=/tmp
WORKDIR /tmp
EXPOSE 8080
ENTRYPOINT ["node", "/opt/oxwhisk/nodejs/server.js"]
