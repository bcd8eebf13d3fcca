# The controller: REST API, dispatcher, record writer, admin.
#
# With a toolchain, from the project's root:
#     docker build -f Dockerfiles/controller.Dockerfile --build-arg TOOLCHAIN=rust:1.95-bookworm .
# Or from binaries that are built already, in a folder `prebuilt` of the build context: `make images` does that.
ARG BASE=debian:bookworm-slim
ARG TOOLCHAIN=${BASE}

FROM ${TOOLCHAIN} AS binaries
ARG PROFILE=dist
WORKDIR /src
COPY . .
RUN mkdir /out \
    && if [ -d prebuilt ]; then cp prebuilt/controller /out/; \
       else apt-get update && apt-get install -y --no-install-recommends make pkg-config libssl-dev zlib1g-dev \
            && cargo build --locked --profile "$PROFILE" \
                -p oxwhisk-controller-service --bin controller \
            && cp target/"$PROFILE"/controller /out/; fi \
    && chmod 0755 /out/*

FROM ${BASE}
# What the Kafka client is linked with; a base may have it.
RUN ldconfig -p | grep -q libssl.so.3 && ldconfig -p | grep -q libz.so.1 \
    || { apt-get update && apt-get install -y --no-install-recommends libssl3 zlib1g && rm -rf /var/lib/apt/lists/*; }
COPY --from=binaries /out/ /usr/local/bin/
# Nobody's files, no home, no shell to log in with: everything it keeps is in Kafka and CouchDB.
USER 65532:65532
ENV HOME=/nonexistent
# It writes no file, so it runs with a read-only root: docker run --read-only.
ENTRYPOINT ["/usr/local/bin/controller"]
