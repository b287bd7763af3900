ARG BASE_IMAGE=nautilus/base:trixie
FROM ${BASE_IMAGE}

# A container without IPv6 cannot open Debian's second listener, and nginx ends when one listener fails.
RUN apt-get update \
    && apt-get install -y --no-install-recommends nginx-light \
    && rm -rf /var/lib/apt/lists/* \
    && sed -i '/listen \[::\]/d' /etc/nginx/sites-available/default \
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && ln -sf /dev/stderr /var/log/nginx/error.log

STOPSIGNAL SIGQUIT
EXPOSE 80
CMD ["nginx", "-g", "daemon off;"]
