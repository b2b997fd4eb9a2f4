"""Further secrets by place, in the shape of those in :mod:`tests.scrub.corpus.places`: events of many SDKs."""

from __future__ import annotations

from typing import Any

Place = tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...]]

FURTHER: list[Place] = [
    (
        "hdr strs Authorization",
        {"extra": {"headers": ["Authorization: Bearer abc123def456ghi", "Accept: */*"]}},
        ("abc123def",),
        ("*/*",),
    ),
    (
        "hdr name/value Authorization",
        {
            "extra": {
                "h": [{"name": "Authorization", "value": "Bearer abc123def456ghi"}, {"name": "Accept", "value": "*/*"}]
            }
        },
        ("abc123def",),
        ("*/*",),
    ),
    (
        "hdr flat list Authorization",
        {"extra": {"rawHeaders": ["Authorization", "Bearer abc123def456ghi", "Accept", "*/*"]}},
        ("abc123def",),
        ("*/*",),
    ),
    ("hdr strs X-Api-Key", {"extra": {"headers": ["X-Api-Key: k-123abc", "Accept: */*"]}}, ("k-123abc",), ("*/*",)),
    (
        "hdr name/value X-Api-Key",
        {"extra": {"h": [{"name": "X-Api-Key", "value": "k-123abc"}, {"name": "Accept", "value": "*/*"}]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr flat list X-Api-Key",
        {"extra": {"rawHeaders": ["X-Api-Key", "k-123abc", "Accept", "*/*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr strs Stripe-Signature",
        {"extra": {"headers": ["Stripe-Signature: t=1,v1=k-123abc", "Accept: */*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr name/value Stripe-Signature",
        {
            "extra": {
                "h": [{"name": "Stripe-Signature", "value": "t=1,v1=k-123abc"}, {"name": "Accept", "value": "*/*"}]
            }
        },
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr flat list Stripe-Signature",
        {"extra": {"rawHeaders": ["Stripe-Signature", "t=1,v1=k-123abc", "Accept", "*/*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr strs X-Amzn-Oidc-Data",
        {"extra": {"headers": ["X-Amzn-Oidc-Data: k-123abc", "Accept: */*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr name/value X-Amzn-Oidc-Data",
        {"extra": {"h": [{"name": "X-Amzn-Oidc-Data", "value": "k-123abc"}, {"name": "Accept", "value": "*/*"}]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr flat list X-Amzn-Oidc-Data",
        {"extra": {"rawHeaders": ["X-Amzn-Oidc-Data", "k-123abc", "Accept", "*/*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr strs X-Slack-Signature",
        {"extra": {"headers": ["X-Slack-Signature: v0=k-123abc", "Accept: */*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr name/value X-Slack-Signature",
        {"extra": {"h": [{"name": "X-Slack-Signature", "value": "v0=k-123abc"}, {"name": "Accept", "value": "*/*"}]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr flat list X-Slack-Signature",
        {"extra": {"rawHeaders": ["X-Slack-Signature", "v0=k-123abc", "Accept", "*/*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr strs X-Twilio-Signature",
        {"extra": {"headers": ["X-Twilio-Signature: k-123abc", "Accept: */*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr name/value X-Twilio-Signature",
        {"extra": {"h": [{"name": "X-Twilio-Signature", "value": "k-123abc"}, {"name": "Accept", "value": "*/*"}]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr flat list X-Twilio-Signature",
        {"extra": {"rawHeaders": ["X-Twilio-Signature", "k-123abc", "Accept", "*/*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr strs X-Gitlab-Token",
        {"extra": {"headers": ["X-Gitlab-Token: k-123abc", "Accept: */*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr name/value X-Gitlab-Token",
        {"extra": {"h": [{"name": "X-Gitlab-Token", "value": "k-123abc"}, {"name": "Accept", "value": "*/*"}]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "hdr flat list X-Gitlab-Token",
        {"extra": {"rawHeaders": ["X-Gitlab-Token", "k-123abc", "Accept", "*/*"]}},
        ("k-123abc",),
        ("*/*",),
    ),
    (
        "pem context",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "pre_context": [
                                        "KEY = '''-----BEGIN RSA PRIVATE KEY-----",
                                        "MIIEpAIBAAKCAQEA04up8hoqzS1+APIB0RhjXyObwHQnOzhAk5Bd7mhkSbPkyhP1",
                                    ],
                                    "context_line": "iWwtQGzUl2PQvQNdSO4wB0h2yyg8v3RZ1mPXqRtyFvM9ALXYZ2HGA2TqUI5XQqUA",
                                    "post_context": ["abcd1234efgh", "-----END RSA PRIVATE KEY-----'''", "run()"],
                                }
                            ]
                        }
                    }
                ]
            }
        },
        ("MIIEpAIBAAKCAQEA04up8h", "iWwtQGzUl2PQ", "abcd1234efgh"),
        ("run()",),
    ),
    (
        "pem body no begin",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "pre_context": [
                                        "MIIEpAIBAAKCAQEA04up8hoqzS1+APIB0RhjXyObwHQnOzhAk5Bd7mhkSbPkyhP1",
                                        "iWwtQGzUl2PQvQNdSO4wB0h2yyg8v3RZ1mPXqRtyFvM9ALXYZ2HGA2TqUI5XQqUA",
                                    ],
                                    "context_line": "abcd1234efgh",
                                    "post_context": ["-----END RSA PRIVATE KEY-----", "run()"],
                                }
                            ]
                        }
                    }
                ]
            }
        },
        ("MIIEpAIBAAKCAQEA04up8h", "iWwtQGzUl2PQ", "abcd1234efgh"),
        ("run()",),
    ),
    ("shape pair list", {"extra": {"h": [["password", "zqXy77"], ["n", "1"]]}}, ("zqXy77",), ("n",)),
    ("shape tuple list", {"extra": {"h": [["api_key", "zqXy77"]]}}, ("zqXy77",), ()),
    (
        "shape obj under key",
        {"extra": {"credentials": {"user": "bobby", "x": ["zqXy77", {"d": "zqXy78"}]}}},
        ("zqXy77", "zqXy78"),
        (),
    ),
    ("shape num under key", {"extra": {"pin": 1234, "password": 987654}}, ("1234", "987654"), ()),
    ("shape key in json", {"extra": {"b": '{"password": "zqXy77", "n": 1}'}}, ("zqXy77",), ("n",)),
    (
        "shape key in json x2",
        {"extra": {"b": '{"b": "{\\"password\\": \\"zqXy77\\", \\"n\\": 1}"}'}},
        ("zqXy77",),
        ("n",),
    ),
    ("shape key in json list", {"message": 'failed: [{"token": "zqXy77"}, {"n": 1}]'}, ("zqXy77",), ("n",)),
    (
        "shape vars dict repr",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"vars": {"kwargs": "{'password': 'zqXy77', 'n': 1}"}}]}}]
            }
        },
        ("zqXy77",),
        ("'n': 1",),
    ),
    (
        "shape vars key",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"vars": {"password": "'zqXy77'", "user": "<User 5>"}}]}}]
            }
        },
        ("zqXy77",),
        ("<User 5>",),
    ),
    (
        "shape vars list args",
        {"exception": {"values": [{"stacktrace": {"frames": [{"vars": {"args": ["--password", "zqXy77"]}}]}}]}},
        ("zqXy77",),
        (),
    ),
    ("shape argv eq", {"extra": {"sys.argv": ["app", "--password=zqXy77", "--n=1"]}}, ("zqXy77",), ("--n=1",)),
    ("shape query dict", {"request": {"query_string": {"token": "zqXy77", "n": "1"}}}, ("zqXy77",), ()),
    ("shape query pairs", {"request": {"query_string": [["token", "zqXy77"], ["n", "1"]]}}, ("zqXy77",), ()),
    ("shape cookies dict", {"request": {"cookies": {"theme": "zqXy77"}}}, ("zqXy77",), ()),
    ("shape cookies str", {"request": {"cookies": "theme=zqXy77; b=zqXy78"}}, ("zqXy77", "zqXy78"), ()),
    (
        "shape bc http",
        {
            "breadcrumbs": [
                {
                    "type": "http",
                    "data": {"url": "https://a/?access_token=zqXy77&n=1", "method": "GET", "status_code": 200},
                }
            ]
        },
        ("zqXy77",),
        ("n=1", "GET"),
    ),
    (
        "shape otlp list",
        {
            "extra": {
                "attributes": [
                    {"key": "http.request.header.authorization", "value": {"stringValue": "zqXy77"}},
                    {"key": "n", "value": {"intValue": "5"}},
                ]
            }
        },
        ("zqXy77",),
        ("5",),
    ),
    (
        "shape span streamed",
        {
            "type": "span",
            "attributes": {
                "password": {"value": "zqXy77", "type": "string"},
                "user.email": {"value": "a.bee@example.com", "type": "string"},
            },
        },
        ("zqXy77", "a.bee@"),
        ("string",),
    ),
    (
        "shape graphql inline",
        {"request": {"data": {"query": 'mutation { login(email: "a.bee@example.com", password: "zqXy77") { ok } }'}}},
        ("zqXy77", "a.bee@"),
        ("mutation",),
    ),
    (
        "shape k8s env",
        {"extra": {"env": [{"name": "DB_PASSWORD", "value": "zqXy77"}, {"name": "PORT", "value": "80"}]}},
        ("zqXy77",),
        ("80",),
    ),
    ("shape k8s secret", {"extra": {"kind": "Secret", "data": {"password": "enFYeTc3"}}}, ("enFYeTc3",), ()),
    (
        "shape django settings",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "context_line": "SECRET_KEY = 'zqXy77'",
                                    "pre_context": [
                                        "DATABASES = {'default': {'PASSWORD': 'zqXy78',",
                                        "password = getpass()",
                                    ],
                                }
                            ]
                        }
                    }
                ]
            }
        },
        ("zqXy77", "zqXy78"),
        ("password = getpass()",),
    ),
    (
        "shape js local storage",
        {
            "breadcrumbs": [
                {
                    "category": "console",
                    "message": "setItem",
                    "data": {"arguments": ["authToken", "zqXy77"], "logger": "console"},
                }
            ]
        },
        ("zqXy77",),
        ("console",),
    ),
    (
        "shape redux",
        {
            "contexts": {
                "state": {
                    "state": {"type": "redux", "value": {"auth": {"jwt": "zqXy77", "loggedIn": True}, "cart": {"n": 3}}}
                }
            }
        },
        ("zqXy77",),
        ("cart",),
    ),
    (
        "shape php dollar",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"vars": {"$password": "zqXy77", "$this": "Object App\\X"}}]}}]
            }
        },
        ("zqXy77",),
        ("Object App",),
    ),
    (
        "shape php context",
        {
            "exception": {
                "values": [
                    {"stacktrace": {"frames": [{"context_line": "    'password' => env('DB_PASSWORD', 'zqXy77'),"}]}}
                ]
            }
        },
        ("zqXy77",),
        ("DB_PASSWORD",),
    ),
    (
        "shape .net exc data",
        {"extra": {"Exception.Data": {"ConnectionString": "Server=db;User Id=sa;Password=zqXy77;"}}},
        ("zqXy77",),
        ("Server=db",),
    ),
    (
        "shape java props",
        {"extra": {"props": "spring.datasource.password=zqXy77\nserver.port=8080"}},
        ("zqXy77",),
        ("server.port=8080",),
    ),
    (
        "shape go http.Header",
        {"message": "headers: map[Accept:[*/*] Authorization:[Bearer zqXy77abcdef] Cookie:[sid=zqXy78]]"},
        ("zqXy77", "zqXy78"),
        ("*/*",),
    ),
    (
        "shape axios",
        {
            "extra": {
                "config": {
                    "headers": {"Authorization": "Bearer zqXy77"},
                    "auth": {"username": "bob", "password": "zqXy78"},
                    "data": '{"password":"zqXy79"}',
                    "timeout": 1000,
                }
            }
        },
        ("zqXy77", "zqXy78", "zqXy79"),
        ("1000",),
    ),
    (
        "shape lambda event",
        {
            "extra": {
                "lambda": {
                    "event": {
                        "multiValueHeaders": {"Authorization": ["zqXy77"]},
                        "queryStringParameters": {"token": "zqXy78"},
                        "requestContext": {"identity": {"sourceIp": "203.0.113.5", "apiKey": "zqXy79"}},
                    }
                }
            }
        },
        ("zqXy77", "zqXy78", "zqXy79", "203.0.113.5"),
        (),
    ),
    (
        "shape celery",
        {
            "extra": {
                "celery-job": {"task_name": "t.mail", "args": ["a.bee@example.com"], "kwargs": {"password": "zqXy77"}}
            }
        },
        ("zqXy77", "a.bee@"),
        ("t.mail",),
    ),
    ("shape nested obj value", {"extra": {"token": {"value": "zqXy77", "type": "x"}}}, ("zqXy77",), ()),
    (
        "shape field errors",
        {"extra": {"errors": [{"field": "password", "value": "zqXy77", "message": "too short"}]}},
        ("zqXy77",),
        ("too short",),
    ),
    ("shape json body escaped u", {"message": '{"p\\u0061ssword":"zqXy77"}'}, ("zqXy77",), ()),
    ("shape whitespace", {"message": '"password"   :   "zqXy77"'}, ("zqXy77",), ()),
    ("shape single q", {"message": "'password':'zqXy77'"}, ("zqXy77",), ()),
    ("shape escaped q", {"message": '{\\"password\\":\\"zqXy77\\",\\"n\\":1}'}, ("zqXy77",), ("n",)),
    ("shape pct json", {"message": "data=%7B%22password%22%3A%22zqXy77%22%2C%22n%22%3A1%7D"}, ("zqXy77",), ()),
    ("shape plus blanks", {"request": {"data": "password=zq+Xy77&n=1"}}, ("Xy77",), ("n=1",)),
    ("shape bracket form", {"request": {"data": "user%5Bpassword%5D=zqXy77&user[n]=1"}}, ("zqXy77",), ("=1",)),
    ("shape trunc json", {"request": {"data": '{"user":{"name":"x","password":"zqXy77abc'}}, ("zqXy77",), ("name",)),
    ("shape base64 json?", {"extra": {"x": "n"}, "message": "password=zqXy77"}, ("zqXy77",), ()),
    ("shape release body", {"message": "token: 'zqXy77'"}, ("zqXy77",), ()),
    (
        "src py dict",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [{"context_line": '    config["password"] = "zqXy77aa"', "pre_context": []}]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src py environ",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [{"context_line": "os.environ['API_TOKEN'] = 'zqXy77aa'", "pre_context": []}]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src py getenv",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [{"context_line": 'PW = os.getenv("DB_PASSWORD", "zqXy77aa")', "pre_context": []}]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src js env",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {"context_line": "const token = process.env.TOKEN || 'zqXy77aa';", "pre_context": []}
                            ]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src ruby",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"context_line": "  password: 'zqXy77aa',", "pre_context": []}]}}]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src ruby hash",
        {
            "exception": {
                "values": [
                    {"stacktrace": {"frames": [{"context_line": "  :password => 'zqXy77aa',", "pre_context": []}]}}
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src php define",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [{"context_line": "define('DB_PASSWORD', 'zqXy77aa');", "pre_context": []}]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src java",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "context_line": 'private static final String PASSWORD = "zqXy77aa";',
                                    "pre_context": [],
                                }
                            ]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src go",
        {
            "exception": {
                "values": [
                    {"stacktrace": {"frames": [{"context_line": '\tpassword := "zqXy77aa"', "pre_context": []}]}}
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src cs",
        {
            "exception": {
                "values": [
                    {"stacktrace": {"frames": [{"context_line": 'var apiKey = @"zqXy77aa";', "pre_context": []}]}}
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src kotlin",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [{"context_line": 'val secretKey: String = "zqXy77aa"', "pre_context": []}]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src ts",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {"context_line": "private readonly apiKey: string = 'zqXy77aa';", "pre_context": []}
                            ]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src rust",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [{"context_line": 'let password: &str = "zqXy77aa";', "pre_context": []}]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src connect",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "context_line": "conn = connect(host='db', user='app', password='zqXy77aa')",
                                    "pre_context": [],
                                }
                            ]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src headers",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {"context_line": "headers = {'Authorization': 'Bearer zqXy77aa'}", "pre_context": []}
                            ]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src requests auth",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {"context_line": "requests.get(url, auth=('bob', 'zqXy77aa'))", "pre_context": []}
                            ]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src swift",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"context_line": 'let token = "zqXy77aa"', "pre_context": []}]}}]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src assert",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [{"context_line": "assert login('bob@example.com', 'x')", "pre_context": []}]
                        }
                    }
                ]
            }
        },
        ("bob@example.com",),
        (),
    ),
    (
        "src jdbc",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "context_line": 'String url = "jdbc:mysql://h/d?user=u&password=zqXy77aa";',
                                    "pre_context": [],
                                }
                            ]
                        }
                    }
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "src comparison",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"context_line": "if token == 'zqXy77aa':", "pre_context": []}]}}]
            }
        },
        ("zqXy77aa",),
        (),
    ),
    (
        "py event",
        {
            "event_id": "fc6d8c0c43fc4630ad850ee518f1b9d0",
            "platform": "python",
            "timestamp": "2026-11-22T06:59:08.123456Z",
            "release": "shop@2.4.1",
            "server_name": "web-1",
            "request": {
                "url": "https://shop.example.com/api/checkout",
                "method": "POST",
                "query_string": "ref=abc&email=jane%40example.com",
                "headers": {
                    "Authorization": "Bearer zqXy77aa11",
                    "Cookie": "sessionid=zqXy78aa",
                    "User-Agent": "Mozilla/5.0 Chrome/119.0.0.0",
                    "X-Forwarded-For": "203.0.113.9",
                },
                "cookies": {"sessionid": "zqXy78aa", "csrftoken": "zqXy79aa"},
                "data": {
                    "card": {"number": "4242424242424242", "cvc": "123", "exp_month": 12},
                    "items": [{"sku": "A-1", "qty": 2, "price": 19.99}],
                },
                "env": {"REMOTE_ADDR": "203.0.113.9", "SERVER_NAME": "shop"},
            },
            "user": {
                "id": "42",
                "email": "jane@example.com",
                "ip_address": "203.0.113.9",
                "username": "jane@example.com",
            },
            "exception": {
                "values": [
                    {
                        "type": "CardError",
                        "value": "card 4242424242424242 of jane@example.com declined",
                        "stacktrace": {
                            "frames": [
                                {
                                    "function": "charge",
                                    "module": "shop.pay",
                                    "filename": "shop/pay.py",
                                    "lineno": 88,
                                    "vars": {
                                        "self": "<Gateway key='sk_live_TV0MtwqziF7wwdkIF0z6sdGd'>",
                                        "amount": "Decimal('19.99')",
                                        "user": "<User: jane@example.com>",
                                        "password": "'zqXy80aa'",
                                        "order_id": "1234567890123456",
                                    },
                                }
                            ]
                        },
                    }
                ]
            },
        },
        (
            "zqXy77aa11",
            "zqXy78aa",
            "zqXy79aa",
            "jane@",
            "jane%40",
            "203.0.113.9",
            "4242424242424242",
            "sk_live_",
            "zqXy80aa",
        ),
        (
            "fc6d8c0c43fc4630ad850ee518f1b9d0",
            "19.99",
            "1234567890123456",
            "A-1",
            "shop@2.4.1",
            "Chrome/119.0.0.0",
            "ref=abc",
        ),
    ),
    (
        "node event",
        {
            "platform": "node",
            "contexts": {
                "runtime": {"name": "node", "version": "v18.17.1"},
                "response": {
                    "status_code": 401,
                    "headers": {"set-cookie": ["sid=zqXy77aa; Path=/"], "content-type": "application/json"},
                },
            },
            "extra": {
                "req": {
                    "rawHeaders": [
                        "Host",
                        "a.example.com",
                        "Authorization",
                        "Bearer zqXy78aa1",
                        "x-api-key",
                        "zqXy79aa",
                    ],
                    "body": '{"email":"jane@example.com"}',
                },
                "arguments": [{"apiKey": "zqXy80aa", "retries": 3}],
            },
            "breadcrumbs": [
                {
                    "category": "console",
                    "data": {"arguments": ["login", {"email": "jane@example.com", "pw": "zqXy81aa"}]},
                }
            ],
        },
        ("zqXy77aa", "zqXy78aa1", "zqXy79aa", "zqXy80aa", "zqXy81aa", "jane@"),
        ("application/json", "v18.17.1", "retries"),
    ),
    (
        "ruby",
        {
            "platform": "ruby",
            "request": {
                "data": {
                    "utf8": "✓",
                    "authenticity_token": "zqXy77aa",
                    "user": {"email": "jane@example.com", "password": "zqXy78aa", "password_confirmation": "zqXy78aa"},
                },
                "cookies": "_shop_session=zqXy79aa; locale=en",
            },
        },
        ("zqXy77aa", "zqXy78aa", "zqXy79aa", "jane@"),
        ("utf8",),
    ),
    (
        "go",
        {
            "platform": "go",
            "extra": {"req": "&{Email:jane@example.com Password:zqXy77aa Token:zqXy78aa}"},
            "exception": {
                "values": [
                    {
                        "type": "*url.Error",
                        "value": 'Post "https://u:zqXy79aa@api.example.com/x": dial tcp 203.0.113.9:443: i/o timeout',
                    }
                ]
            },
        },
        ("jane@", "zqXy77aa", "zqXy78aa", "zqXy79aa", "203.0.113.9"),
        ("i/o timeout",),
    ),
    (
        "mobile",
        {
            "platform": "cocoa",
            "contexts": {
                "device": {"name": "iPhone", "model": "iPhone14,2", "device_unique_identifier": "x"},
                "app": {"device_app_hash": "abc"},
            },
            "user": {"id": "7", "geo": {"city": "Berlin"}, "data": {"phone": "+49 171 1234567"}},
            "debug_meta": {
                "images": [
                    {
                        "code_file": "/Users/jdoe/Library/Developer/CoreSimulator/x",
                        "debug_id": "550e8400-e29b-41d4-a716-446655440000",
                    }
                ]
            },
        },
        ("1234567", "jdoe"),
        ("550e8400-e29b-41d4-a716-446655440000", "iPhone14,2"),
    ),
    (
        "txn",
        {
            "type": "transaction",
            "transaction": "POST /login",
            "spans": [
                {
                    "op": "db",
                    "description": "SELECT * FROM users WHERE email = 'jane@example.com' AND token = 'zqXy77aa'",
                    "data": {
                        "db.statement": "SELECT * FROM users WHERE email = 'jane@example.com'",
                        "db.params": ["jane@example.com"],
                    },
                },
                {
                    "op": "http.client",
                    "description": "GET https://api.example.com/?api_key=zqXy78aa&n=1",
                    "data": {
                        "url": "https://u:zqXy79aa@api.example.com",
                        "http.query": "api_key=zqXy78aa&n=1",
                        "http.request.header.authorization": "Bearer zqXy80aa",
                        "http.request.header.cookie": ["a=zqXy81aa"],
                    },
                },
                {"op": "cache.get", "description": "session:zq", "data": {"cache.key": ["user:jane@example.com"]}},
            ],
        },
        ("jane@", "zqXy77aa", "zqXy78aa", "zqXy79aa", "zqXy80aa", "zqXy81aa"),
        ("n=1", "cache.get"),
    ),
    (
        "gql inline pw",
        {"request": {"data": {"query": 'mutation{login(password:"zqXy77aa",n:1){id}}'}}},
        ("zqXy77aa",),
        ("n:1",),
    ),
    (
        "jsonapi",
        {
            "extra": {
                "b": {"data": {"type": "users", "attributes": {"email": "jane@example.com", "password": "zqXy77aa"}}}
            }
        },
        ("jane@", "zqXy77aa"),
        ("users",),
    ),
    (
        "params positional",
        {"logentry": {"message": "login %s %s", "params": ["jane@example.com", "203.0.113.9"]}},
        ("jane@", "203.0.113.9"),
        ("login %s %s",),
    ),
    ("thread names", {"threads": {"values": [{"name": "worker-jane@example.com"}]}}, ("jane@",), ()),
    (
        "csp",
        {"csp": {"document_uri": "https://a.example.com/?token=zqXy77aa", "violated_directive": "script-src"}},
        ("zqXy77aa",),
        ("script-src",),
    ),
    ("key is email", {"extra": {"jane@example.com": {"n": 1}, "bob@example.com": 2}}, ("jane@", "bob@"), ()),
    (
        "deep tags",
        {"tags": [["user.email", "jane@example.com"], ["password", "zqXy77aa"]]},
        ("jane@", "zqXy77aa"),
        ("user.email",),
    ),
    (
        "streamed attributes",
        {
            "type": "span",
            "attributes": {
                "password": {"value": "zq9", "type": "string"},
                "phone": {"value": "4155552671", "type": "string"},
            },
        },
        ("zq9", "4155552671"),
        ("string",),
    ),
    (
        "fingerprint with a card",
        {"fingerprint": ["{{ default }}", "4111111111111111"]},
        ("4111111111111111",),
        ("{{ default }}",),
    ),
    ("key passWord", {"extra": {"o": {"passWord": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("passWord",)),
    ("key ccnum", {"extra": {"o": {"ccnum": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("ccnum",)),
    ("key userpass", {"extra": {"o": {"userpass": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("userpass",)),
    ("key one_time_code", {"extra": {"o": {"one_time_code": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("one_time_code",)),
    (
        "key oauth_verifier",
        {"extra": {"o": {"oauth_verifier": "zqXyZvalue77"}}},
        ("zqXyZvalue77",),
        ("oauth_verifier",),
    ),
    ("key code_verifier", {"extra": {"o": {"code_verifier": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("code_verifier",)),
    (
        "key client_assertion",
        {"extra": {"o": {"client_assertion": "zqXyZvalue77"}}},
        ("zqXyZvalue77",),
        ("client_assertion",),
    ),
    ("key pgpass", {"extra": {"o": {"pgpass": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("pgpass",)),
    ("key mnemonic", {"extra": {"o": {"mnemonic": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("mnemonic",)),
    ("key hmac_key", {"extra": {"o": {"hmac_key": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("hmac_key",)),
    ("key stripe_key", {"extra": {"o": {"stripe_key": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("stripe_key",)),
    ("key app_key", {"extra": {"o": {"app_key": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("app_key",)),
    ("key appKey", {"extra": {"o": {"appKey": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("appKey",)),
    ("key rootpw", {"extra": {"o": {"rootpw": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("rootpw",)),
    ("key access_code", {"extra": {"o": {"access_code": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("access_code",)),
    ("key saml_response", {"extra": {"o": {"saml_response": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("saml_response",)),
    ("key SAMLResponse", {"extra": {"o": {"SAMLResponse": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("SAMLResponse",)),
    ("key .ASPXAUTH", {"extra": {"o": {".ASPXAUTH": "zqXyZvalue77"}}}, ("zqXyZvalue77",), (".ASPXAUTH",)),
    ("key senha", {"extra": {"o": {"senha": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("senha",)),
    ("key wachtwoord", {"extra": {"o": {"wachtwoord": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("wachtwoord",)),
    ("key mot_de_passe", {"extra": {"o": {"mot_de_passe": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ("mot_de_passe",)),
]
