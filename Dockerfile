# The service: docker build -t harmonium . && docker run -p 8000:8000 -v harmonium:/var/lib/harmonium harmonium
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --wheel-dir /wheels '.[serve]'

FROM python:3.12-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels 'harmonium[serve]' \
 && useradd --system --create-home --home-dir /var/lib/harmonium harmonium
USER harmonium
WORKDIR /var/lib/harmonium
# Models, the store unless HARMONIUM_STORE names another, and compiled kernels live here.
VOLUME /var/lib/harmonium
ENV XDG_CACHE_HOME=/var/lib/harmonium XDG_DATA_HOME=/var/lib/harmonium NUMBA_CACHE_DIR=/var/lib/harmonium/kernels \
    HARMONIUM_HOST=0.0.0.0 HARMONIUM_PORT=8000 PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
ENTRYPOINT ["harmonium"]
CMD ["serve", "--no-open"]
