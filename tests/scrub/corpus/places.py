"""Secrets by place: (name, the event, what must go, what must stay)."""

from __future__ import annotations

import json
from typing import Any

from tests.scrub.corpus.further_places import FURTHER
from tests.scrub.corpus.more_places import MORE

Place = tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...]]


def _frame(**fields: Any) -> dict[str, Any]:
    return {"exception": {"values": [{"type": "E", "value": "x", "stacktrace": {"frames": [fields]}}]}}


def _nested(levels: int, value: Any) -> Any:
    for _ in range(levels):
        value = json.dumps({"inner": value, "n": 1})
    return value


def _deep(levels: int, value: Any) -> Any:
    for level in range(levels):
        value = {"level": value} if level % 2 else [value]
    return value


_BODY = {"user": {"email": "jane@example.com", "password": "hunter2"}, "page": 7}
_GRAPHQL = {
    "query": "mutation Login($email: String!, $password: String!) { login(email: $email, password: $password) { id } }",
    "variables": {"email": "jane@example.com", "password": "hunter2"},
    "operationName": "Login",
}

PLACES: list[Place] = [
    (
        "short and odd passwords",
        {"extra": {"a": {"password": "zq"}, "b": {"client_secret": "$ecret1"}, "c": [["pwd", ":qjk"]], "d": "kept"}},
        ("zq", "$ecret1", ":qjk"),
        ("kept",),
    ),
    ("message", {"message": "hello jane@example.com bye"}, ("jane@example.com",), ("hello", "bye")),
    (
        "message object",
        {"message": {"formatted": "hi jane@example.com", "message": "hi %s"}},
        ("jane@example.com",),
        ("hi %s",),
    ),
    (
        "logentry with params",
        {
            "logentry": {
                "message": "user %s from %s",
                "params": ["jane@example.com", "203.0.113.5"],
                "formatted": "user jane@example.com",
            }
        },
        ("jane@example.com", "203.0.113.5"),
        ("user %s from %s",),
    ),
    (
        "logentry with named params",
        {"logentry": {"message": "x %(password)s", "params": {"password": "hunter2"}}},
        ("hunter2",),
        ("%(password)s",),
    ),
    (
        "exception value",
        {"exception": {"values": [{"type": "KeyError", "value": "'jane@example.com'"}]}},
        ("jane@",),
        ("KeyError",),
    ),
    ("exception list", {"exception": [{"type": "KeyError", "value": "jane@example.com"}]}, ("jane@",), ("KeyError",)),
    ("chained exception", {"exception": {"values": [{"value": "a"}, {"value": "jane@example.com"}]}}, ("jane@",), ()),
    (
        "mechanism data",
        {"exception": {"values": [{"mechanism": {"type": "x", "data": {"to": "jane@example.com"}}}]}},
        ("jane@",),
        (),
    ),
    ("variable by key", _frame(vars={"password": "'hunter2'", "n": "3"}), ("hunter2",), ('"n": "3"',)),
    (
        "variable by camel case key",
        _frame(vars={"userPassword": "hunter2", "accessToken": "abc123x"}),
        ("hunter2", "abc123x"),
        (),
    ),
    ("variable by content", _frame(vars={"x": "'4111 1111 1111 1111'", "n": "3"}), ("4111",), ('"n": "3"',)),
    ("variable of an object", _frame(vars={"self": "<Client token='abc123x' host='h'>"}), ("abc123x",), ("host='h'",)),
    (
        "nested variable",
        _frame(vars={"request": {"form": {"passwd": "hunter2", "page": "2"}}}),
        ("hunter2",),
        ('"page": "2"',),
    ),
    (
        "variable with a list",
        _frame(vars={"passwords": ["hunter2", "hunter3"], "n": ["1"]}),
        ("hunter2", "hunter3"),
        (),
    ),
    (
        "variable repr of a dict",
        _frame(vars={"config": "{'DB_PASSWORD': 'hunter2', 'DEBUG': True}"}),
        ("hunter2",),
        ("'DEBUG': True",),
    ),
    ("variable repr of bytes", _frame(vars={"body": "b'password=hunter2&page=2'"}), ("hunter2",), ("page=2",)),
    (
        "source line",
        _frame(context_line='    client = Client(password="hunter2", n=1)'),
        ("hunter2",),
        ("client = Client(", "n=1"),
    ),
    ("source before", _frame(pre_context=["x = 1", "API_KEY = 'abc123x'", "y = 2"]), ("abc123x",), ("x = 1", "y = 2")),
    ("source after", _frame(post_context=["send('jane@example.com')"]), ("jane@",), ("send(",)),
    (
        "source with url",
        _frame(context_line='db = connect("postgres://u:hunter2@db/x")'),
        ("hunter2",),
        ("db = connect(",),
    ),
    ("frame path", _frame(abs_path="/home/jdoe/shop/app.py", filename="app.py"), ("jdoe",), ("/shop/app.py",)),
    ("frame path on Windows", _frame(abs_path="C:\\Users\\JDoe\\shop\\app.py"), ("JDoe",), ("app.py",)),
    (
        "threads",
        {"threads": {"values": [{"stacktrace": {"frames": [{"vars": {"token": "abc123x"}}]}}]}},
        ("abc123x",),
        (),
    ),
    (
        "breadcrumb message",
        {"breadcrumbs": {"values": [{"message": "mail to jane@example.com"}]}},
        ("jane@",),
        ("mail to",),
    ),
    ("breadcrumb list", {"breadcrumbs": [{"message": "mail to jane@example.com"}]}, ("jane@",), ("mail to",)),
    (
        "breadcrumb url",
        {"breadcrumbs": [{"category": "http", "data": {"url": "https://x/?token=abc123x&n=1"}}]},
        ("abc123x",),
        ("n=1",),
    ),
    (
        "breadcrumb query",
        {"breadcrumbs": [{"category": "query", "message": "SET PASSWORD = 'hunter2'"}]},
        ("hunter2",),
        ("SET",),
    ),
    (
        "breadcrumb console",
        {"breadcrumbs": [{"data": {"arguments": ["login", {"password": "hunter2"}]}}]},
        ("hunter2",),
        ("login",),
    ),
    (
        "request url",
        {"request": {"url": "https://x.example/r?email=jane%40example.com&n=1"}},
        ("jane%40example.com",),
        ("n=1",),
    ),
    ("request url with user", {"request": {"url": "https://jane:hunter2@x.example/"}}, ("hunter2",), ("x.example",)),
    ("query string", {"request": {"query_string": "api_key=abc123x&page=2"}}, ("abc123x",), ("page=2",)),
    (
        "query string pairs",
        {"request": {"query_string": [["token", "abc123x"], ["page", "2"]]}},
        ("abc123x",),
        ("page",),
    ),
    ("query string object", {"request": {"query_string": {"token": "abc123x", "page": "2"}}}, ("abc123x",), ("page",)),
    (
        "authorization header",
        {"request": {"headers": {"Authorization": "Bearer abc123x", "Accept": "a/b"}}},
        ("abc123x",),
        ("a/b",),
    ),
    (
        "header pairs",
        {"request": {"headers": [["Authorization", "Basic abc123x"], ["Accept", "a/b"]]}},
        ("abc123x",),
        ("a/b",),
    ),
    ("header lists", {"request": {"headers": {"X-Api-Key": ["abc123x"], "Accept": ["a/b"]}}}, ("abc123x",), ("a/b",)),
    ("cookie header", {"request": {"headers": {"Cookie": "sid=abc123x; theme=dark"}}}, ("abc123x",), ()),
    ("cookie header pairs", {"request": {"headers": [["cookie", "sid=abc123x; theme=dark"]]}}, ("abc123x",), ()),
    (
        "set-cookie header",
        {"contexts": {"response": {"headers": {"Set-Cookie": "sid=abc123x; Path=/"}}}},
        ("abc123x",),
        (),
    ),
    ("csrf header", {"request": {"headers": {"X-CSRFToken": "abc123x", "Host": "h"}}}, ("abc123x",), ('"h"',)),
    (
        "forwarded header",
        {"request": {"headers": {"X-Forwarded-For": "203.0.113.5, 10.1.2.3"}}},
        ("203.0.113.5", "10.1.2.3"),
        (),
    ),
    ("real ip header", {"request": {"headers": {"X-Real-Ip": "203.0.113.5"}}}, ("203.0.113.5",), ()),
    (
        "cookies object",
        {"request": {"cookies": {"sessionid": "abc123x", "theme": "dark"}}},
        ("abc123x",),
        ("sessionid",),
    ),
    ("cookies text", {"request": {"cookies": "sessionid=abc123x; theme=dark"}}, ("abc123x",), ()),
    ("cookies pairs", {"request": {"cookies": [["sessionid", "abc123x"], ["theme", "dark"]]}}, ("abc123x",), ()),
    (
        "env address",
        {"request": {"env": {"REMOTE_ADDR": "203.0.113.5", "SERVER_PORT": "80"}}},
        ("203.0.113.5",),
        ('"80"',),
    ),
    ("env authorization", {"request": {"env": {"HTTP_AUTHORIZATION": "Bearer abc123x"}}}, ("abc123x",), ()),
    ("body object", {"request": {"data": _BODY}}, ("jane@", "hunter2"), ("page",)),
    ("body json text", {"request": {"data": json.dumps(_BODY)}}, ("jane@", "hunter2"), ("page",)),
    ("body json text, spaced", {"request": {"data": json.dumps(_BODY, indent=2)}}, ("jane@", "hunter2"), ("page",)),
    ("body json text, cut off", {"request": {"data": json.dumps(_BODY)[:-8]}}, ("jane@", "hunter2"), ()),
    ("body json text, twice", {"request": {"data": json.dumps(json.dumps(_BODY))}}, ("jane@", "hunter2"), ("page",)),
    (
        "body form text",
        {"request": {"data": "email=jane%40example.com&password=hunter2&page=7"}},
        ("jane%40", "hunter2"),
        ("page=7",),
    ),
    ("body form lists", {"request": {"data": {"password": ["hunter2"], "page": ["7"]}}}, ("hunter2",), ("7",)),
    ("body graphql", {"request": {"data": _GRAPHQL}}, ("jane@", "hunter2"), ("operationName", "$password")),
    (
        "body graphql text",
        {"request": {"data": json.dumps(_GRAPHQL)}},
        ("jane@", "hunter2"),
        ("operationName", "$password"),
    ),
    (
        "body graphql literal",
        {"request": {"data": {"query": '{login(password:"hunter2"){id}}'}}},
        ("hunter2",),
        ("login",),
    ),
    ("body xml", {"request": {"data": "<l><password>hunter2</password><n>1</n></l>"}}, ("hunter2",), ("<n>1</n>",)),
    ("user email", {"user": {"id": "42", "email": "jane@example.com"}}, ("jane@",), ("42",)),
    ("user address", {"user": {"id": "42", "ip_address": "203.0.113.5"}}, ("203.0.113.5",), ("42",)),
    ("user address 6", {"user": {"id": "42", "ip_address": "2001:db8::1:2"}}, ("2001:db8",), ("42",)),
    (
        "user name that is an e-mail address",
        {"user": {"id": "42", "username": "jane@example.com"}},
        ("jane@",),
        ("42",),
    ),
    ("user id that is an e-mail address", {"user": {"id": "jane@example.com"}}, ("jane@",), ()),
    (
        "user data",
        {"user": {"id": "42", "data": {"phone": "4155552671", "ssn": "536228726"}}},
        ("4155552671", "536228726"),
        (),
    ),
    ("tag", {"tags": {"customer": "jane@example.com", "plan": "pro"}}, ("jane@",), ("pro",)),
    ("tag pairs", {"tags": [["customer", "jane@example.com"], ["plan", "pro"]]}, ("jane@",), ("pro",)),
    ("tag pairs by key", {"tags": [["api_key", "abc123x"], ["plan", "pro"]]}, ("abc123x",), ("pro",)),
    (
        "tag objects",
        {"tags": [{"key": "api_key", "value": "abc123x"}, {"key": "plan", "value": "pro"}]},
        ("abc123x",),
        ("pro",),
    ),
    (
        "tag objects, value first",
        {"tags": [{"value": "abc123x", "key": "api_key"}, {"value": "pro", "key": "plan"}]},
        ("abc123x",),
        ("pro",),
    ),
    (
        "name and value",
        {"extra": {"h": [{"name": "Authorization", "enabled": True, "value": "abc123x"}]}},
        ("abc123x",),
        (),
    ),
    ("context", {"contexts": {"order": {"email": "jane@example.com", "n": 3}}}, ("jane@",), ()),
    ("context by key", {"contexts": {"auth": {"secret": "hunter2", "n": 3}}}, ("hunter2",), ()),
    ("extra", {"extra": {"note": "call +14155552671 or jane@example.com"}}, ("4155552671", "jane@"), ("call",)),
    ("extra deep", {"extra": _deep(40, {"password": "hunter2", "n": "keep"})}, ("hunter2",), ("keep",)),
    ("extra deep text", {"extra": _deep(60, "jane@example.com")}, ("jane@",), ()),
    ("number card", {"extra": {"card": 4111111111111111, "n": 7}}, ("4111111111111111",), ('"n": 7',)),
    ("number card in a list", {"extra": {"numbers": [1, 5555555555554444, 3]}}, ("5555555555554444",), ("[1,",)),
    ("number card as a float", {"extra": {"x": 4111111111111111.0}}, ("4111111111111111",), ()),
    ("number phone", {"extra": {"phone": 4155552671}}, ("4155552671",), ()),
    ("number ssn", {"extra": {"ssn": 536228726}}, ("536228726",), ()),
    ("number pin", {"extra": {"pin": 471199, "n": 7}}, ("471199",), ('"n": 7',)),
    ("number password", {"extra": {"password": -12.5e3}}, ("12.5", "12500"), ()),
    (
        "sensitive object",
        {"extra": {"credentials": {"user": "bob1", "values": [1234567, "abc123x"]}}},
        ("abc123x", "1234567"),
        ("values",),
    ),
    ("sensitive list", {"extra": {"tokens": ["abc123x", "def456y"]}}, ("abc123x", "def456y"), ()),
    ("sensitive empty object", {"extra": {"secret": {}, "email": "jane@example.com"}}, ("jane@",), ("secret",)),
    ("snake case", {"extra": {"my_secret_key": "abc123x"}}, ("abc123x",), ()),
    ("kebab case", {"extra": {"client-secret": "abc123x"}}, ("abc123x",), ()),
    ("camel case", {"extra": {"clientSecret": "abc123x"}}, ("abc123x",), ()),
    ("pascal case", {"extra": {"ClientSecret": "abc123x"}}, ("abc123x",), ()),
    ("upper case", {"extra": {"CLIENT_SECRET": "abc123x"}}, ("abc123x",), ()),
    ("no case", {"extra": {"clientsecret": "abc123x"}}, ("abc123x",), ()),
    ("dotted", {"extra": {"spring.datasource.password": "abc123x"}}, ("abc123x",), ()),
    ("spaced", {"extra": {"Client Secret": "abc123x"}}, ("abc123x",), ()),
    ("numbered", {"extra": {"password2": "abc123x", "password_confirmation": "def456y"}}, ("abc123x", "def456y"), ()),
    ("bracketed", {"extra": {"user[password]": "abc123x"}}, ("abc123x",), ()),
    ("private key by name", {"extra": {"privateKey": "abc123x"}}, ("abc123x",), ()),
    ("session by name", {"extra": {"sessionId": "abc123x", "session_token": "def456y"}}, ("abc123x", "def456y"), ()),
    ("one time password", {"extra": {"otp": "471199", "mfa_code": "118822"}}, ("471199", "118822"), ()),
    ("argv", {"extra": {"sys.argv": ["app.py", "--password", "hunter2", "--port", "80"]}}, ("hunter2",), ("--port",)),
    (
        "argv with equals",
        {"extra": {"sys.argv": ["app.py", "--token=abc123x", "--port=80"]}},
        ("abc123x",),
        ("--port=80",),
    ),
    (
        "span description",
        {"spans": [{"op": "http", "description": "GET https://x/?access_token=abc123x&n=1"}]},
        ("abc123x",),
        ("n=1",),
    ),
    (
        "span query",
        {"spans": [{"op": "db", "description": "SELECT * FROM t WHERE email = 'jane@example.com'"}]},
        ("jane@",),
        ("SELECT",),
    ),
    (
        "span data",
        {"spans": [{"data": {"http.query": "token=abc123x", "url.full": "https://u:hunter2@h/"}}]},
        ("abc123x", "hunter2"),
        (),
    ),
    ("trace data", {"contexts": {"trace": {"data": {"client.address": "203.0.113.5"}}}}, ("203.0.113.5",), ()),
    ("single span", {"span_id": "ab", "description": "mail to jane@example.com"}, ("jane@",), ("mail to",)),
    ("server name", {"server_name": "jane@example.com"}, ("jane@",), ()),
    ("transaction", {"transaction": "/reset/jane@example.com/x"}, ("jane@",), ("/reset/",)),
    ("fingerprint", {"fingerprint": ["{{ default }}", "jane@example.com"]}, ("jane@",), ("{{ default }}",)),
    ("culprit", {"culprit": "login of jane@example.com"}, ("jane@",), ("login of",)),
    ("unknown section", {"custom": {"mail": "jane@example.com"}}, ("jane@",), ()),
    ("csp report", {"csp": {"document_uri": "https://x/?token=abc123x"}}, ("abc123x",), ()),
    ("json in text", {"extra": {"log": 'got {"password":"hunter2","n":1} from x'}}, ("hunter2",), ("from x",)),
    ("json in json in json", {"extra": {"a": _nested(3, "jane@example.com")}}, ("jane@",), ("inner",)),
    (
        "json in json by key",
        {"extra": {"a": _nested(3, {"password": "hunter2", "keep": "me"})}},
        ("hunter2",),
        ("keep", "me"),
    ),
    ("json in json, a number", {"extra": {"a": _nested(2, {"pin": 471199, "n": 7})}}, ("471199",), ()),
    ("escaped at sign in text", {"extra": {"a": 'x {"e": "jane\\u0040example.com"} y'}}, ("example.com",), ("x {",)),
    (
        "escaped at sign in json",
        {"extra": {"a": '{"e": "jane\\u0040example.com", "n": "k"}'}},
        ("example.com",),
        ("k",),
    ),
    ("key that is an e-mail address", {"extra": {"jane@example.com": 1, "n": 2}}, ("jane@",), ('"n"',)),
    (
        "two keys that are e-mail addresses",
        {"extra": {"jane@example.com": 1, "joe@example.com": 2}},
        ("jane@", "joe@"),
        (),
    ),
    (
        "private key by lines",
        _frame(pre_context=["K = '''-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0BAQEF", "'''"]),
        ("MIIEvQIBADANBg",),
        (),
    ),
    (
        "SQL in a span",
        {
            "spans": [
                {"op": "db", "description": "INSERT INTO users (email, password) VALUES ('a@b.example', 'hunter2')"}
            ]
        },
        ("a@b.example", "hunter2"),
        ("INSERT INTO users (email, password) VALUES ('",),
    ),
    (
        "SQL with many rows in a breadcrumb",
        {
            "breadcrumbs": {
                "values": [
                    {
                        "category": "query",
                        "message": "insert into `users` (`id`, `password`, \"api_key\") values (1, 'it''s, (x)',"
                        " E'abc12x'),\n(2, crypt('hunter2', gen_salt('bf')), 'abc34x'), (3, ?, NULL)",
                    }
                ]
            }
        },
        ("it''s", "(x)", "abc12x", "hunter2", "abc34x"),
        ("(1, '", "(3, ?, NULL)"),
    ),
    (
        "SQL in a message",
        {"message": "near \\\"x\\\": INSERT INTO [users] ([name], [pwd]) VALUES (\\'Al\\', \\'hunter2\\')"},
        ("hunter2",),
        ("Al",),
    ),
    (
        "private key over all source fields",
        _frame(
            pre_context=["x = 1", "K = '''-----BEGIN RSA PRIVATE KEY-----", "MIIEvQIBADANBgkqhkiG9w0BAQEF"],
            context_line="AAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo",
            post_context=["4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq", "-----END RSA PRIVATE KEY-----'''", "send(K)"],
        ),
        ("MIIEvQIBADANBg", "AAOCAQ8AMIIBCg", "4lgOEePzNm0t"),
        ("x = 1", "send(K)"),
    ),
    (
        "private key from the line in question on",
        _frame(
            context_line="K = '''-----BEGIN PRIVATE KEY-----",
            pre_context=["import os"],
            post_context=["MIIEvQIBADANBgkqhkiG9w0BAQEF", "AAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo"],
        ),
        ("MIIEvQIBADANBg", "AAOCAQ8AMIIBCg"),
        ("import os",),
    ),
    (
        "environment in extra",
        {"extra": {"env": {"AWS_SECRET_ACCESS_KEY": "abc123x", "PWD": "/srv/app"}}},
        ("abc123x",),
        ("/srv/app",),
    ),
    (
        "curl in extra",
        {"extra": {"cmd": "curl -H 'Authorization: Bearer abc123x' https://x/y"}},
        ("abc123x",),
        ("https://x/y",),
    ),
    (
        "traceback in text",
        {"extra": {"tb": 'File "/home/jdoe/a.py", line 3\n    raise E("jane@example.com")'}},
        ("jdoe", "jane@"),
        ("line 3",),
    ),
    *FURTHER,
    *MORE,
]
