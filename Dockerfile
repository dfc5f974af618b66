# One image for all of it: `up` (the default, everything in one container), `serve`, `migrate` and `gateway`.
# docker-compose.yml runs the three pieces; docs/deploying.md tells the rest.
ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS build
# server,otel sends traces too.
ARG EXTRAS=server
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY clients/python clients/python
COPY server server
COPY gateway gateway
COPY migrations migrations
RUN python -m venv --without-pip /opt/tekton \
    && pip --python /opt/tekton/bin/python install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]"

FROM ${PYTHON}
LABEL org.opencontainers.image.title="Tekton" \
      org.opencontainers.image.description="The control plane for fleets of AI components" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin tekton \
    && install --directory --owner tekton --group tekton --mode 0700 /data
COPY --from=build /opt/tekton /opt/tekton
ENV PATH=/opt/tekton/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TEKTON_HOST=0.0.0.0 \
    TEKTON_PORT=8010 \
    TEKTON_DATA_DIR=/data
VOLUME ["/data"]
EXPOSE 8010
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["tekton", "probe"]
ENTRYPOINT ["tekton"]
# Whoever can reach the container can use it: `up` refuses to listen for others until TEKTON_INSECURE says that this is meant.
CMD ["up"]
