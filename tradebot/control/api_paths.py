"""The paths of the operator's API and the most rows of one answer; the daemon and the command line both read them."""

PREFIX = "/api/v1"
EVENTS_PATH = f"{PREFIX}/events"
METRICS_PATH, OPENAPI_PATH, LIVE_PATH, READY_PATH = "/metrics", "/openapi.json", "/healthz", "/readyz"
MAX_ROWS = 1000  # rows of one answer
