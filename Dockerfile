# The image of the service:                 docker build -t sluice:local .
# What sends it the sample traffic, beside: docker build -t sluice-traffic:local --target traffic .
# Needs BuildKit, which every Docker since 23 builds with.

# The Node of package.json's devDependencies, which every test runs on; a test compares the two.
ARG NODE_VERSION=24.21.0

# Distroless is rebuilt under the same tag whenever Debian or Node has a fix. A build that must be repeatable pins it by digest:
#   docker build --build-arg RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian12@sha256:… .
ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian12:nonroot

# Alone what npm reads, so that a change of source leaves the installed layers as they are.
FROM node:${NODE_VERSION}-bookworm-slim AS manifest
WORKDIR /app
COPY package.json package-lock.json ./

# Scripts of packages stay off: nothing that ships needs one, and a stranger's script has no place in a build.
FROM manifest AS dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund

# The codecs (snappy, lz4-napi) are prebuilt for this platform and for glibc, which distroless has too.
FROM manifest AS production
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM dependencies AS build
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN node_modules/.bin/tsc -p tsconfig.build.json
COPY migrations ./migrations
COPY dev/ship/process-one.mjs ./
# A checkout with a strict umask has files that nobody but their owner may read, and here that would be root.
RUN chmod -R a+rX dist migrations package.json process-one.mjs

# With the development dependencies and TypeScript's sources, which Node 24 runs as they are. Never deployed.
FROM dependencies AS traffic
COPY schemas ./schemas
COPY src ./src
COPY dev ./dev
RUN chmod -R a+rX schemas src dev package.json
USER 1000:1000
ENTRYPOINT ["node", "dev/ship/traffic.ts"]

# No shell, no npm, no package manager: Node, the compiled service, and what it needs at run time.
FROM ${RUNTIME_IMAGE} AS service
COPY --from=production /app/node_modules /app/node_modules
COPY --from=build /app/package.json /app/package.json
COPY --from=build /app/process-one.mjs /app/process-one.mjs
COPY --from=build /app/migrations /app/migrations
COPY --from=build /app/dist /app/dist
WORKDIR /app

# Its files are root's and it writes none, so the root file system may be read-only. A number, since Kubernetes' runAsNonRoot
# cannot know that a name is not root's.
USER 65532:65532
ENV NODE_ENV=production
EXPOSE 8080
STOPSIGNAL SIGTERM

# Whether it is alive, not whether it is ready: a service that waits for its broker is not to be restarted for that.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/nodejs/bin/node", "dist/cli.js", "healthcheck"]

# Node itself is process 1, so a signal reaches it with nobody in between; those that come before the service listens are
# process-one.mjs' affair. The heap grows to 60 % of the container's memory limit (without a limit: of the machine's memory) and no
# further, since much lives outside of it: the records in hand are buffers (BUFFER_BYTES_MAX, 64 MiB by default), then what the
# codecs inflate, Node's code and young generation, and the health check's own process of some 60 MB. 60 is a guess, never tuned.
ENTRYPOINT ["/nodejs/bin/node", "--max-old-space-size-percentage=60", "--import=/app/process-one.mjs"]
# Any other command of this image goes in its place: docker run --rm sluice:local dist/cli.js config
CMD ["dist/main.js"]

# Last, since they differ in every build.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sluice" \
      org.opencontainers.image.description="A Kafka consumer service: handlers in key order, effects in Postgres exactly once, the truth about lag." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
