# The service as an image, of nothing but this repository: docker build --tag aphlict .
# How to run it: docs/install.md ("Container"), conf/examples/docker/.

FROM docker.io/denoland/deno:bin-2.9.6 AS deno

# Joins the sources and what they import from npm into one file.
FROM docker.io/library/debian:13-slim AS build
COPY --from=deno /deno /usr/local/bin/deno
WORKDIR /src
COPY . .
RUN deno task bundle

# Debian for libc and for the shell that derives the permission flags; a build gets its latest fixes.
FROM docker.io/library/debian:13-slim
# The commit, and where the repository is published: docs/install.md has the command that tells them.
ARG REVISION= SOURCE=
LABEL org.opencontainers.image.title="Aphlict on Deno" \
  org.opencontainers.image.description="The notification server of Phorge" \
  org.opencontainers.image.licenses="Apache-2.0 AND MIT AND BSD-3-Clause" \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.revision="$REVISION" \
  org.opencontainers.image.source="$SOURCE"
COPY --from=deno /deno /usr/lib/aphlict/deno
COPY --from=build /src/dist/aphlict.js /usr/lib/aphlict/aphlict.js
COPY LICENSE /usr/share/doc/aphlict/LICENSE
COPY packaging/deno.txt /usr/share/doc/aphlict/deno.licenses.txt
COPY --from=build /src/dist/aphlict.js.licenses.txt /usr/share/doc/aphlict/
RUN ln -s ../lib/aphlict/aphlict.js /usr/bin/aphlict \
  && groupadd --gid 10001 aphlict \
  && useradd --uid 10001 --gid aphlict --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin aphlict
# The number, as Kubernetes' runAsNonRoot looks no names up.
USER 10001:10001

# Browsers; Phorge, and the other servers of a cluster.
EXPOSE 22280 22281
# Asks an admin server of /etc/aphlict/aphlict.json for /health/ready.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["aphlict", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["aphlict"]
CMD ["serve"]
