# Two images from one build: `docker build --target auth-service .` and `--target resource-service`. Needs BuildKit, which
# is the default of every supported Docker. docker-compose.yml uses both.
#
# Base images have the tag of a release line, which gets security updates. To pin their contents, append the digest
# (`rust:1.95-slim-bookworm@sha256:…`), which `docker buildx imagetools inspect rust:1.95-slim-bookworm` prints.

FROM rust:1.95-slim-bookworm AS build
# OpenSSL's headers: libpq, PostgreSQL's client library, is built from source and uses OpenSSL for TLS.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libssl-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# The caches are kept between builds and are in no image, so the binaries are copied out of them. They may have a build of
# another checkout, and cargo compares the times of files, so all files of this checkout get the current time.
RUN --mount=type=cache,id=token-auth-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=token-auth-target,target=/build/target,sharing=locked \
    find . -path ./target -prune -o -type f -exec touch {} + \
 && cargo build --release --locked -p auth-service -p resource-service \
 && install -D -t /out target/release/auth-service target/release/resource-service

FROM debian:bookworm-slim AS runtime
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A new named volume gets the content and the owner of the folder where it is mounted.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin service \
 && install -d -m 0700 -o service -g service /data
USER 10001:10001
WORKDIR /data
STOPSIGNAL SIGTERM

FROM runtime AS resource-service
LABEL org.opencontainers.image.title="Symbolon resource-service" org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /out/resource-service /usr/local/bin/resource-service
# To start, it needs RESOURCE__HTTP__ALLOW_PLAIN_TEXT=true, where TLS ends at a proxy in front; or RESOURCE__TLS__CERTIFICATE
# and RESOURCE__TLS__KEY. The health check follows the settings.
ENV RESOURCE__LISTEN=0.0.0.0:8081 RESOURCE__DATA_DIR=/data
EXPOSE 8081
HEALTHCHECK --interval=3s --timeout=6s --start-period=30s --retries=3 CMD ["resource-service", "healthcheck"]
ENTRYPOINT ["resource-service"]

FROM runtime AS auth-service
LABEL org.opencontainers.image.title="Symbolon auth-service" org.opencontainers.image.licenses="MIT OR Apache-2.0"
USER root
RUN apt-get update && apt-get install -y --no-install-recommends libssl3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
USER 10001:10001
COPY --from=build /out/auth-service /usr/local/bin/auth-service
# To start, it needs AUTH__HTTP__ALLOW_PLAIN_TEXT=true, or AUTH__TLS__CERTIFICATE and AUTH__TLS__KEY.
ENV AUTH__LISTEN=0.0.0.0:8080 AUTH__DATA_DIR=/data
EXPOSE 8080
HEALTHCHECK --interval=3s --timeout=6s --start-period=30s --retries=3 CMD ["auth-service", "healthcheck"]
ENTRYPOINT ["auth-service"]
