# One image for every process of the service. ACCELERATOR=gpu takes TensorFlow with CUDA instead of the processor's.
#   docker build --build-arg ACCELERATOR=gpu -t chest-screening:gpu .

FROM python:3.12-slim AS packages
ARG ACCELERATOR=cpu
WORKDIR /build
COPY requirements/ requirements/
RUN python -m venv /venv \
 && case "$ACCELERATOR" in cpu) list=run ;; gpu) list=gpu ;; *) echo "ACCELERATOR is cpu or gpu" >&2; exit 1 ;; esac \
 && for one in "$list" s3; do \
      /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r "requirements/$one.txt" || exit 1; \
    done

FROM python:3.12-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=screening.settings \
    STATE_DIR=/state \
    TF_CPP_MIN_LOG_LEVEL=2
# pg_dump and its kin, for `manage.py backup` and `restore`.
RUN apt-get update \
 && apt-get install -y --no-install-recommends postgresql-client \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin screening \
 && install -d -o screening -g screening -m 0700 /state
COPY --from=packages /venv /venv
WORKDIR /app
COPY manage.py LICENSE ./
COPY ml/ ml/
COPY screening/ screening/
COPY workers/ workers/
COPY models/ models/
COPY templates/ templates/
COPY locale/ locale/
COPY static/ static/
USER screening
VOLUME /state
EXPOSE 8000
CMD ["gunicorn", "-c", "workers/supervisor/gunicorn_conf.py", "--bind", "0.0.0.0:8000", "screening.wsgi:application"]
