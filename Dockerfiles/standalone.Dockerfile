# All of it in one process, with the process sandbox for actions.
#
# The sandbox makes namespaces, which a container may not by default, and then as a user without any privilege does:
#     docker run --read-only --tmpfs /tmp:exec -v oxwhisk:/data -p 3233:3233 \
#         --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
#         --device /dev/net/tun oxwhisk/standalone
# What it cannot have, it says at its start.
#
# With a toolchain, from the project's root:
#     docker build -f Dockerfiles/standalone.Dockerfile --build-arg TOOLCHAIN=rust:1.95-bookworm .
# Or from binaries that are built already, in a folder `prebuilt` of the build context: `make images` does that.
ARG BASE=debian:bookworm-slim
ARG TOOLCHAIN=${BASE}

FROM ${TOOLCHAIN} AS binaries
ARG PROFILE=dist
WORKDIR /src
COPY . .
RUN mkdir /out \
    && if [ -d prebuilt ]; then cp prebuilt/* /out/; \
       else cargo build --locked --profile "$PROFILE" \
                -p oxwhisk-standalone -p oxwhisk-runtime-native -p oxwhisk-sandbox-zygote \
                --bin oxwhisk --bin oxwhisk-runtime-native --lib \
            && cd target/"$PROFILE" \
            && cp oxwhisk oxwhisk-runtime-native liboxwhisk_sandbox_zygote.so /out/; fi \
    && chmod 0755 /out/*

FROM ${BASE}
# The interpreters of actions, and what a sandbox without root needs: `pasta` for the network, `newuidmap` for users.
RUN missing=; \
    for pair in node:nodejs pasta:passt newuidmap:uidmap setcap:libcap2-bin nft:nftables ip:iproute2; do \
        PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%:*}" >/dev/null || missing="$missing ${pair#*:}"; \
    done; \
    # The interpreter alone has no json.
    python3 -c "import json, http.client" 2>/dev/null || missing="$missing python3-minimal libpython3-stdlib"; \
    if [ -n "$missing" ]; then \
        apt-get update && apt-get install -y --no-install-recommends $missing && rm -rf /var/lib/apt/lists/*; \
    fi \
    # As set-user-ID programs they would need a right over namespaces (CAP_SYS_ADMIN) that containers do not have.
    && chmod u-s /usr/bin/newuidmap /usr/bin/newgidmap \
    && PATH="$PATH:/usr/sbin:/sbin" \
    && setcap cap_setuid+ep /usr/bin/newuidmap && setcap cap_setgid+ep /usr/bin/newgidmap \
    && printf "oxwhisk:x:65532:65532::/data:/usr/sbin/nologin\n" >>/etc/passwd \
    && printf "oxwhisk:x:65532:\n" >>/etc/group \
    && printf "oxwhisk:200000:65536\n" >>/etc/subuid && printf "oxwhisk:200000:65536\n" >>/etc/subgid \
    && mkdir /data && chown 65532:65532 /data && chmod 0700 /data
COPY --from=binaries /out/ /usr/local/bin/
USER 65532:65532
ENV HOME=/data
VOLUME /data
EXPOSE 3233
ENTRYPOINT ["/usr/local/bin/oxwhisk"]
CMD ["--host", "0.0.0.0", "--data-dir", "/data/oxwhisk"]
