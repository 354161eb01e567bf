# A small image with the one binary: no shell, no package manager, no root. tests/container.rs builds and runs it, with stages that need
# no registry in the place of these two.
ARG BUILDER=rust:1-bookworm
ARG BASE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
# Cargo reads the manifest of what only tests depend on, too.
COPY tests/primes tests/primes
RUN cargo build --profile dist --locked --bin keyturn
# The state's folder belongs to the image's user alone, so that a new volume does too. (What is copied by its own name loses its
# mode; what lies in it does not.)
RUN mkdir -p /image/var/lib/keyturn /image/usr/local/bin && chmod 0700 /image/var/lib/keyturn \
 && cp target/dist/keyturn /image/usr/local/bin/

FROM ${BASE}
COPY --from=build /image/usr /usr
COPY --from=build --chown=65532:65532 /image/var/lib /var/lib
USER 65532:65532
VOLUME /var/lib/keyturn
ENTRYPOINT ["/usr/local/bin/keyturn"]
CMD ["daemon"]
HEALTHCHECK --interval=30s --timeout=6s --start-period=30s CMD ["/usr/local/bin/keyturn", "health"]
