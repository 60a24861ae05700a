"""How the web process runs, under `make up` and in production alike; `--bind` and `--workers` come from outside."""

worker_class = "workers.supervisor.sharing.SharingWorker"
workers = 2
threads = 8  # an upload on a slow line holds one
timeout = 60  # the worker's own loop beats, whatever its threads are at
graceful_timeout = 1  # a file half sent is sent again; all has to end in ten seconds
keepalive = 15
max_requests = 20_000
max_requests_jitter = 2_000
accesslog = None  # addresses name studies: the access log of the service itself says who saw what
errorlog = "-"
control_socket_disable = True
