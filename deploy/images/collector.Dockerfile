# syntax=docker/dockerfile:1
# The collector: does not run as root and writes only to /var/lib/nilometer.
#   docker build -f deploy/images/collector.Dockerfile -t nilometer-collector:0.1.0 .
ARG PYTHON=3.12
ARG NODE=22
FROM node:${NODE}-slim AS web
WORKDIR /source/collector/web
COPY collector/web/package.json collector/web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY collector/web ./
RUN npx vite build --outDir /static --emptyOutDir

FROM python:${PYTHON}-slim AS build
WORKDIR /source
RUN python -m venv --without-pip /opt/nilometer
COPY pyproject.toml README.md LICENSE ./
COPY scripts scripts
COPY middleware middleware
COPY agent agent
COPY collector/nilometer_collector collector/nilometer_collector
COPY --from=web /static collector/nilometer_collector/static
COPY examples/flights/data examples/flights/data
RUN python -m pip --python /opt/nilometer/bin/python install --no-cache-dir ".[postgresql]"

FROM python:${PYTHON}-slim
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PATH=/opt/nilometer/bin:$PATH
COPY --from=build /opt/nilometer /opt/nilometer
USER 10001:10001
WORKDIR /var/lib/nilometer
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["nilometer"]
CMD ["collector", "--database=/var/lib/nilometer/collector.db", "--metrics-address=:9464"]
