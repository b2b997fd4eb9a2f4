# ruff: noqa: E501, ISC004
"""Messages without their variables: what one template makes alike, and what keeps two templates apart."""

from __future__ import annotations

import pytest

from pipeline.fingerprint.v1.browsers import common_wording
from pipeline.fingerprint.v1.messages import first_lines, normal_message

SAME = [
    ["Took 30 seconds", "Took 2 minutes", "Took 5.2s", "Took 1h 2m 3s", "Took 00:01:02"],
    ["mac aa:bb:cc:dd:ee:ff gone", "mac 00:1A:2B:3C:4D:5E gone"],
    ["Price 12.50 EUR", "Price 9.99 USD", "Price $3", "Price €1,234.00"],
    ["<Order object at 0x7f12> is bad", "<Order object at 0x7faa> is bad"],
    ["<User: ann> is bad", "<User: bob smith> is bad"],
    ["call +49 170 1234567 failed", "call (555) 123-4567 failed", "call [phone] failed"],
    ["[2024-01-01 10:00:00] ERROR: boom", "[2025-12-31 23:59:59,123] ERROR: boom"],
    ["deadbeef is gone", "a1b2c3d4 is gone", "0xdeadbeef is gone"],
    [
        "Error 1062 (23000): Duplicate entry 'x' for key 'users.email'",
        "Error 1062 (23000): Duplicate entry 'yy@z.de' for key 'users.email'",
    ],
    [
        "Connection to db-1.prod.internal:5432 refused",
        "Connection to 10.0.0.1:5432 refused",
        "Connection to [ip]:5432 refused",
        "Connection to localhost:5432 refused",
    ],
    [
        "file /home/ann/x.txt missing",
        "file /home/[user]/x.txt missing",
        "file 'C:\\Users\\Bob\\x.txt' missing",
        "file ../a/b.txt missing",
    ],
    [
        "HTTPSConnectionPool(host='api.a.com', port=443): Max retries exceeded with url: /v1/x?id=1 (Caused by "
        "NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f1>: Failed to establish a new connection: "
        "[Errno 111] Connection refused'))",
        "HTTPSConnectionPool(host='api.b.org', port=8443): Max retries exceeded with url: /v2/yy (Caused by "
        "NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x7f2>: Failed to establish a new connection: "
        "[Errno 111] Connection refused'))",
    ],
    ["User 42's cart is empty", "User 17's cart is empty"],
    ["token=abc123 expired", "token=[token] expired", "token=eyJhbGciOi.eyJzdWIi.c2ln expired"],
    ["Sent 3 of 10 items (30%)", "Sent 12 of 12 items (100%)"],
    ["batch a1b2-77 x: 1, 2, 3", "batch c9 x: 4"],
    ["SELECT * FROM t WHERE a = 1 AND b = 'x'", "SELECT * FROM t WHERE a = 22 AND b = 'yy zz'"],
    ["INSERT INTO t (a, b) VALUES (1, 'x')", "INSERT INTO t (a, b) VALUES (2, 'y'), (3, 'z')"],
    ["could not parse '2024-01-01'", "could not parse 'foo'"],
    ["Invalid value: None for id 1", "Invalid value: None for id 2"],
    ["order #1234 failed", "order #99 failed", "order ORD-2024-0001 failed", "order ord_1a2B3c failed"],
    ["Webhook https://a.com/x failed: 3 attempts", "Webhook http://b.io:80/y/z?q=1#f failed: 5 attempts"],
    ["s3://bucket/key/1.txt not found", "s3://other/k not found"],
    ["arn:aws:sqs:eu-west-1:123456789012:jobs is full", "arn:aws:sqs:us-east-1:999999999999:mail is full"],
    ["redis://:pw@10.0.0.1:6379/0 down", "redis://[Filtered]@cache:6379/1 down"],
    ["temperature -3.5°C too low", "temperature 12°C too low"],
    ["lat 52.5200, lon 13.4050 invalid", "lat -33.86, lon 151.20 invalid"],
    ["card ****1234 declined", "card [creditcard] declined", "card 4242 4242 4242 4242 declined"],
    [
        "Job 3fa85f64-5717-4562-b3fc-2c963f66afa6 died",
        "Job 3fa85f6457174562b3fc2c963f66afa6 died",
        "Job 01ARZ3NDEKTSV4RRFFQ69G5FAV died",
    ],
    ['Unexpected response: {"error":"x"}', 'Unexpected response: {"error":"y","n":[1,2]}', "Unexpected response: {}"],
    [
        "User %s not found",
        "User %d not found",
        "User {} not found",
        "User {user_id} not found",
        "User 12 not found",
        "User %(user)s not found",
        "User ${id} not found",
    ],
    ["Disk 93% full", "Disk 99.5% full"],
    ["Retry 1/3", "Retry 2/3"],
    ["Missed heartbeats from worker-3@host-7", "Missed heartbeats from worker-11@host-2"],
    ['Player joined room "lobby 3"', 'Player joined room "x"'],
    ["query failed after 12ms: timeout", "query failed after 1.2 s: timeout"],
    ["user=ann action failed", "user=bob action failed"],
    ["Expected 3 arguments, got 5", "Expected 1 argument, got 2"],
    ["Cannot find user with id: 5f43a1b2c3d4e5f6a7b8c9d0", "Cannot find user with id: 12"],
    [
        "Task proj.tasks.run[3fa85f64-5717-4562-b3fc-2c963f66afa6] raised",
        "Task proj.tasks.run[11111111-5717-4562-b3fc-2c963f66afa6] raised",
    ],
    ["key 'sess:ann' expired", "key 'sess:bob' expired"],
    ["at line 3 column 9", "at line 12 column 1"],
    ["time 12:30 invalid", "time 7:05 pm invalid"],
    ["2024/01/31 bad", "31.01.2024 bad", "01-31-2024 bad"],
    ["Größe 12 überschritten", "Größe 9 überschritten"],
    ["GET /api/v1/users/17 500 12ms", "GET /api/v1/users/ann 500 9ms"],
    ["process 123 exited with signal SIGKILL", "process 9 exited with signal SIGKILL"],
]

DIFFERENT = [
    "Request failed with status code 404",
    "Request failed with status code 500",
    "status 404",
    "status 500",
    "exit code 1",
    "exit code 137",
    "[Errno 2] No such file or directory: 'a'",
    "[Errno 13] Permission denied: 'a'",
    "upload failed code=ECONNREFUSED",
    "upload failed code=ETIMEDOUT",
    "No module named 'a'",
    "No module named 'b'",
    'column "foo" does not exist',
    'column "bar" does not exist',
    'relation "foo" does not exist',
    'table "x" does not exist',
    "'NoneType' object has no attribute 'foo'",
    "'NoneType' object has no attribute 'bar'",
    "Minified React error #31",
    "Minified React error #185",
    "Missing required field",
    "Missing required header",
    "Payment failed: card expired",
    "Payment failed: insufficient funds",
    "login failed",
    "logout failed",
    "HTTP 502",
    "HTTP 503",
    "ORA-00942: x",
    "ORA-00001: x",
    "name 'foo' is not defined",
    "name 'bar' is not defined",
    'Undefined array key "a"',
    'Undefined array key "b"',
    "SQLSTATE[23000]: x",
    "SQLSTATE[42S02]: x",
    "f() missing 1 required positional argument: 'a'",
    "f() missing 1 required positional argument: 'b'",
    "f() got an unexpected keyword argument 'x'",
    "f() got an unexpected keyword argument 'y'",
    "Cannot find module 'a'",
    "Cannot find module './b'",
    "Worker started",
    "Worker stopped",
    "permission 'orders.read' denied",
    "permission 'orders.write' denied",
    "deadlock detected",
    "lock timeout",
    "Environment variable 'A' is not set",
    "Environment variable 'B' is not set",
]

ENGINES = [
    [
        "Cannot read properties of undefined (reading 'x')",
        "Cannot read property 'x' of undefined",
        "a.b is undefined",
        'can\'t access property "x", a.b is undefined',
        "undefined is not an object (evaluating 'a.b.x')",
    ],
    ["a.b.c is not a function", "a.b.c is not a function. (In 'a.b.c()', 'a.b.c' is undefined)", "c is not a function"],
    ["Failed to fetch", "NetworkError when attempting to fetch resource.", "Load failed", "fetch failed"],
    ["x is not defined", "Can't find variable: x"],
    [
        "Assignment to constant variable.",
        "invalid assignment to const 'x'",
        "Attempted to assign to readonly property.",
    ],
    ["Maximum call stack size exceeded", "too much recursion", "Maximum call stack size exceeded."],
    [
        "Unexpected end of JSON input",
        "JSON Parse error: Unexpected EOF",
        "JSON.parse: unexpected end of data at line 1 column 1 of the JSON data",
    ],
]


@pytest.mark.parametrize("messages", SAME, ids=lambda messages: messages[0][:40])
def test_one_template_is_one_message(messages: list[str]) -> None:
    assert len({normal_message(message) for message in messages}) == 1


def test_templates_stay_apart() -> None:
    normal = [normal_message(message) for message in DIFFERENT]
    assert sorted(normal) == sorted(set(normal))


@pytest.mark.parametrize("messages", ENGINES, ids=lambda messages: messages[0][:40])
def test_engines_have_one_wording(messages: list[str]) -> None:
    assert len({common_wording(message) for message in messages}) == 1
    assert None not in {common_wording(message) for message in messages}


@pytest.mark.parametrize("message", ["Payment failed", "order is late", "cannot read file"])
def test_applications_own_messages_have_no_common_wording(message: str) -> None:
    assert common_wording(message) is None


def test_only_the_telling_lines_of_a_message_count() -> None:
    assert first_lines("\n  boom at the end of it  \nmore") == "boom at the end of it"
    assert first_lines("Error:\nboom") == "Error: boom"


def test_json_over_several_lines_is_one_variable() -> None:
    assert normal_message('bad reply {\n  "id": 17\n} from server') == "bad reply * from server"


def test_message_that_is_json_is_known_by_its_keys_and_what_it_says() -> None:
    assert normal_message('{"message": "late by 3 s", "id": 17}') == "json id,message message=late by *"


def test_long_message_is_the_same_wherever_its_variables_push_its_end() -> None:
    tail = "and then some more was said about it " * 40
    assert normal_message(f"order {1} {tail}") == normal_message(f"order {10**17} {tail}")
