ARG BASE_IMAGE=nautilus/base:trixie
FROM ${BASE_IMAGE}

# The official image's user id: a volume filled under one image stays writable under the other.
RUN groupadd --system --gid 999 redis \
    && useradd --system --uid 999 --gid 999 --home-dir /data --no-create-home --shell /usr/sbin/nologin redis \
    && apt-get update \
    && apt-get install -y --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o redis -g redis -m 0755 /data

VOLUME /data
WORKDIR /data
USER redis
EXPOSE 6379
CMD ["redis-server"]
