# One static binary in an empty image. Builds with and without BuildKit, and with or without a
# vendor directory in the build context (with one, the build needs no network).

FROM golang:1.26.8-alpine AS build
WORKDIR /src
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X bridge/bridge.version=$VERSION" -o /out/bridge ./cmd/bridge
RUN mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/bridge /bridge
# The directory is here for its owner: a new volume mounted over it takes that owner on.
COPY --from=build --chown=65532:65532 /out/data /data
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# The loopback addresses of the defaults could not be reached from outside the container.
ENV BRIDGE_DATA_DIR=/data BRIDGE_HTTP_ADDR=:8080 BRIDGE_NATS_ADDR=:4222
EXPOSE 8080 4222
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["/bridge", "healthcheck"]
ENTRYPOINT ["/bridge"]
