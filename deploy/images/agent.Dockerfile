# syntax=docker/dockerfile:1
# The sidecar: does not run as root, writes only to /var/run/nilometer, and has no compiler.
#   docker build -f deploy/images/agent.Dockerfile -t nilometer-agent:0.1.0 .
# --build-arg EXTRAS=agent-alerts,proxy adds scipy, for the default alerter of an agent that is cut off.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build
ARG EXTRAS=agent,proxy
WORKDIR /source
RUN python -m venv --without-pip /opt/nilometer
COPY pyproject.toml README.md LICENSE ./
COPY scripts scripts
COPY middleware middleware
COPY agent agent
COPY collector/nilometer_collector collector/nilometer_collector
COPY examples/flights/data examples/flights/data
RUN python -m pip --python /opt/nilometer/bin/python install --no-cache-dir ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PATH=/opt/nilometer/bin:$PATH
COPY --from=build /opt/nilometer /opt/nilometer
USER 10001:10001
WORKDIR /var/run/nilometer
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["nilometer"]
CMD ["agent", "--directory=/var/run/nilometer", "--metrics-address=:9464"]
