# A small image with the one binary. docs/container.md says what was checked of it, and what was not.

FROM rust:1-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
RUN cargo build --release --locked --bin keyturn

FROM debian:bookworm-slim
# 65532 is nobody else's in this image. The state's folder belongs to it, so that a new volume does too.
RUN install -d -o 65532 -g 65532 -m 0700 /var/lib/keyturn
COPY --from=build /src/target/release/keyturn /usr/local/bin/keyturn
USER 65532:65532
VOLUME /var/lib/keyturn
ENTRYPOINT ["/usr/local/bin/keyturn"]
CMD ["run"]
