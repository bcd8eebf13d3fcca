# The runtime for executables: native actions, and what OpenWhisk calls the Docker skeleton. Users build their own images on it.
#
# With a toolchain, from the project's root:
#     docker build -f Dockerfiles/native.Dockerfile --build-arg TOOLCHAIN=rust:1.95-bookworm .
# Or from binaries that are built already, in a folder `prebuilt` of the build context: `make images` does that.
ARG BASE=debian:bookworm-slim
ARG TOOLCHAIN=${BASE}

FROM ${TOOLCHAIN} AS binaries
ARG PROFILE=dist
WORKDIR /src
COPY . .
RUN mkdir /out \
    && if [ -d prebuilt ]; then cp prebuilt/oxwhisk-runtime-native /out/; \
       else cargo build --locked --profile "$PROFILE" \
                -p oxwhisk-runtime-native --bin oxwhisk-runtime-native \
            && cp target/"$PROFILE"/oxwhisk-runtime-native /out/; fi \
    && chmod 0755 /out/*

FROM ${BASE}
COPY --from=binaries /out/ /usr/local/bin/
# Actions write to /tmp only, so it also runs with a read-only root: docker run --read-only --tmpfs /tmp:exec.
USER 65532:65532
ENV HOME=/tmp
WORKDIR /tmp
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/oxwhisk-runtime-native"]
