"""Python's frames: modules over paths, comprehensions and decorators that come and go with the version."""

from __future__ import annotations

import re

from pipeline.fingerprint.v1.model import ANONYMOUS, APP, INLINED, LIBRARY, RUNTIME, SHIM, Platform
from pipeline.fingerprint.v1.paths import normal_path
from schemas.event import Frame

# Comprehensions became part of their function in 3.12 (PEP 709); before that each had a frame of its own.
_INLINED = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"})

# What people call the inner function of a decorator. As long as a real frame is left, such a frame says nothing.
_DECORATOR = frozenset(
    {
        "wrapper", "_wrapper", "__wrapper", "wrapped", "_wrapped", "inner", "_inner", "decorated", "_decorated",
        "decorator", "_decorator", "wrapper_func", "wrapped_func", "wrapped_function", "inner_wrapper", "wrap",
        "sync_wrapper", "async_wrapper", "_sync_wrapper", "_async_wrapper", "inner_func", "decorated_function",
    }
)  # fmt: skip

_STANDARD = re.compile(
    r"(?:^|/)(?:lib(?:64)?|Lib)/(?:python|pypy)\d?(?:\.\d+)?t?/(?!(?:site|dist)-packages)"
    r"|(?:^|/)python\d{2,3}\.zip/|(?:^|/)Python\.framework/.*/lib/python[\d.]+/(?!(?:site|dist)-packages)"
    r"|[Pp]ython\d+/Lib/(?!(?:site|dist)-packages)|^<frozen |(?:^|/)lib-dynload/"
)
_INSTALLED = re.compile(r"(?:^|/)(?:site|dist)-packages/|\.egg/|(?:^|/)\.?v?env/lib/|/pip-build-|(?:^|/)\.tox/")
_GENERATED = re.compile(
    r"^<(ipython-input|string|stdin|console|doctest|unknown|template|attrs generated|decorator-gen)[^>]*>$"
)
_CELL = re.compile(r"/ipykernel_\d+/\d+\.py$|/tmp/ipykernel")

# Modules that are never an application, for SDKs that send neither a path nor a decision.
_STANDARD_MODULES = frozenset(
    {
        "abc", "argparse", "ast", "asyncio", "base64", "bdb", "cmd", "codecs", "collections", "concurrent",
        "configparser", "contextlib", "copy", "csv", "ctypes", "dataclasses", "datetime", "decimal", "email",
        "encodings", "enum", "functools", "gzip", "hashlib", "heapq", "http", "importlib", "inspect", "io", "ipaddress",
        "itertools", "json", "locale", "logging", "multiprocessing", "opcode", "os", "pathlib", "pickle", "posixpath",
        "queue", "random", "re", "runpy", "sched", "selectors", "shutil", "signal", "smtplib", "socket",
        "socketserver", "sqlite3", "sre_compile", "sre_parse", "ssl", "statistics", "string", "struct", "subprocess",
        "tarfile", "tempfile", "textwrap", "threading", "tokenize", "traceback", "types", "typing", "unittest",
        "urllib", "uuid", "warnings", "weakref", "wsgiref", "xml", "xmlrpc", "zipfile", "zoneinfo", "fractions",
    }
)  # fmt: skip
_LIBRARY_MODULES = frozenset(
    {
        "_pytest", "aiohttp", "aiokafka", "alembic", "anyio", "apscheduler", "arq", "asgiref", "asyncpg",
        "attr", "azure", "billiard", "boto3", "botocore", "bs4", "cassandra", "celery", "cffi", "channels",
        "click", "confluent_kafka", "cryptography", "daphne", "dateutil", "django", "docker", "dramatiq",
        "elasticsearch", "engineio", "eventlet", "exceptiongroup", "fastapi", "faust", "flask", "gevent",
        "google", "graphene", "graphql", "greenlet", "grpc", "gunicorn", "h11", "h2", "httpcore", "httpx",
        "huey", "hypercorn", "jinja2", "jsonschema", "jwt", "kafka", "kombu", "kubernetes", "lxml", "mako",
        "markdown", "marshmallow", "matplotlib", "mode", "mongoengine", "motor", "mysql", "MySQLdb", "newrelic",
        "numpy", "oauthlib", "openai", "opentelemetry", "pandas", "paramiko", "peewee", "pika", "PIL",
        "pkg_resources", "pluggy", "prometheus_client", "psycopg", "psycopg2", "pydantic", "pydantic_core",
        "pymongo", "pymysql", "pyramid", "pytest", "ray", "redis", "requests", "rest_framework", "rq", "sanic",
        "scipy", "sentry_sdk", "simplejson", "six", "sklearn", "slack_sdk", "socketio", "sqlalchemy",
        "sqlmodel", "starlette", "stripe", "tenacity", "tensorflow", "torch", "tornado", "tqdm", "trio",
        "twisted", "typer", "urllib3", "uvicorn", "uvloop", "uwsgi", "waitress", "websocket", "websockets",
        "werkzeug", "whitenoise", "wrapt", "yaml", "zeep", "zmq", "zope",
    }
)  # fmt: skip


def _name(function: str, _frame: Frame) -> str:
    if ".<locals>." in function or ("." in function and not function.startswith("<")):
        function = function.rpartition(".")[2]
    if function in _INLINED:
        return INLINED
    if function == "<lambda>":
        return ANONYMOUS
    if function in _DECORATOR:
        return SHIM
    return function


def _place(frame: Frame) -> str:
    module = frame.module
    if module and module != "__main__":
        return module.removesuffix(".__main__")
    path = frame.filename or frame.abs_path or ""
    generated = _GENERATED.match(path)
    if generated:
        return f"<{generated[1]}>"
    if _CELL.search(frame.abs_path or path):
        return "<notebook>"
    path = normal_path(path)
    return path.removesuffix(".py").removesuffix("/__main__").removesuffix("/__init__").replace("/", ".")


def _nearness(frame: Frame) -> int:
    path = (frame.abs_path or frame.filename or "").replace("\\", "/")
    if _INSTALLED.search(path):
        return LIBRARY
    if _STANDARD.search(path):
        return RUNTIME
    root = (frame.module or "").partition(".")[0]
    # A relative path inside the standard library says nothing ("asyncio/base_events.py"); its module does, unless
    # an absolute path has just shown that this is somebody's own module of that name.
    if not path.startswith("/") and ":" not in path[:3]:
        if root in _STANDARD_MODULES:
            return RUNTIME
        if root in _LIBRARY_MODULES:
            return LIBRARY
    return APP


# Of a statement over several lines, versions name different ones: method chains since 3.10, assertions in each version.
_UNSTEADY = re.compile(
    r"""^(?:
        [.)\]}%+*/|&^<>=!-].* | (?:and|or|not|in|is)\b.*              # goes on from the line before
        | .*(?:[=%+*/|&^<>-]|\b(?:and|or|not|in|is))                   # goes on in the next line
        | [\w.'"]+,? | assert\ \(
    )$""",
    re.VERBOSE,
)

PLATFORM: Platform = Platform("python", _name, _place, _nearness, unsteady=_UNSTEADY)
