# The invoker of a node, for containers of a Docker daemon. It makes them through the daemon's socket, so it needs no
# privilege of its own: mount the socket and give it the group that may use it
# (docker run --group-add "$(stat -c %g /var/run/docker.sock)").
#
# With a toolchain, from the project's root:
#     docker build -f Dockerfiles/invoker.Dockerfile --build-arg TOOLCHAIN=rust:1.95-bookworm .
# Or from binaries that are built already, in a folder `prebuilt` of the build context: `make images` does that.
ARG BASE=debian:bookworm-slim
ARG TOOLCHAIN=${BASE}

FROM ${TOOLCHAIN} AS binaries
ARG PROFILE=dist
WORKDIR /src
COPY . .
RUN mkdir /out \
    && if [ -d prebuilt ]; then cp prebuilt/invoker /out/; \
       else apt-get update && apt-get install -y --no-install-recommends make pkg-config libssl-dev zlib1g-dev \
            && cargo build --locked --profile "$PROFILE" \
                -p oxwhisk-invoker-service --bin invoker \
            && cp target/"$PROFILE"/invoker /out/; fi \
    && chmod 0755 /out/*

FROM ${BASE}
# What the Kafka client is linked with; a base may have it.
RUN ldconfig -p | grep -q libssl.so.3 && ldconfig -p | grep -q libz.so.1 \
    || { apt-get update && apt-get install -y --no-install-recommends libssl3 zlib1g && rm -rf /var/lib/apt/lists/*; }
COPY --from=binaries /out/ /usr/local/bin/
USER 65532:65532
ENV HOME=/nonexistent
ENV CONFIG_oxwhisk_containerFactory=docker
# It writes no file, so it runs with a read-only root: docker run --read-only.
ENTRYPOINT ["/usr/local/bin/invoker"]
