"""More secrets by place, in the shape of those in :mod:`tests.scrub.corpus.places`."""

# ruff: noqa: RUF001 - keys in other alphabets
from __future__ import annotations

from typing import Any

Place = tuple[str, dict[str, Any], tuple[str, ...], tuple[str, ...]]

MORE: list[Place] = [
    (
        "card number json",
        {"extra": {"payment": {"amount": 12, "value": 4000056655665556}}},
        ("4000056655665556",),
        ("12",),
    ),
    (
        "card graphql",
        {
            "request": {
                "data": {
                    "query": "mutation($n:String!){pay(number:$n){id}}",
                    "variables": {"n": "4242424242424242", "qty": 2},
                }
            }
        },
        ("4242424242424242",),
        ("mutation",),
    ),
    (
        "card graphql literal",
        {"request": {"data": '{"query":"mutation { pay(number: \\"4242424242424242\\", qty: 2) { id } }"}'}},
        ("4242424242424242",),
        ("qty: 2",),
    ),
    ("cvc camel", {"extra": {"form": {"cardCvc": "737", "qty": 3}}}, ("737",), ("qty",)),
    (
        "card expiry kept beside",
        {"request": {"data": "card[number]=4242424242424242&card[cvc]=123&qty=2"}},
        ("4242424242424242", "cvc]=123"),
        ("qty=2",),
    ),
    ("ssn camel", {"extra": {"socialSecurityNumber": "219099998"}}, ("219099998",), ()),
    (
        "phone type first",
        {
            "extra": {
                "attributes": {"phone": {"type": "string", "value": "2125550147"}, "n": {"type": "integer", "value": 3}}
            }
        },
        ("2125550147",),
        ("integer",),
    ),
    (
        "mobilePhone type first",
        {"contexts": {"a": {"mobilePhone": {"type": "string", "value": "(212) 5550147"}}}},
        ("5550147",),
        ("string",),
    ),
    ("phone pair", {"extra": {"h": [["phone", "2125550147"], ["lang", "en"]]}}, ("2125550147",), ("en",)),
    ("iban key", {"extra": {"customerIban": "XX00TEST"}}, ("XX00TEST",), ()),
    ("cookies obj", {"request": {"cookies": {"sessionid": "38afes7a8", "theme": "dark"}}}, ("38afes7a8",), ()),
    (
        "cookie pairs",
        {"request": {"headers": [["Cookie", "sessionid=38afes7a8"], ["Accept", "*/*"]]}},
        ("38afes7a8",),
        ("*/*",),
    ),
    (
        "dir frame",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"abs_path": "/home/mlopez/a.py", "filename": "a.py"}]}}]
            }
        },
        ("mlopez",),
        ("a.py",),
    ),
    (
        "setter source",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {"context_line": '    ds.setPassword("zq7Hunter");', "pre_context": ["  ds.setUrl(u);"]}
                            ]
                        }
                    }
                ]
            }
        },
        ("zq7Hunter",),
        ("setUrl",),
    ),
    (
        "setter secret source",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"context_line": 'cfg.WithSecretKey("zq7Hunter").Do()'}]}}]
            }
        },
        ("zq7Hunter",),
        ("Do()",),
    ),
    ("member пароль", {"extra": {"форма": {"пароль": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member Пароль", {"extra": {"форма": {"Пароль": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member 密码", {"extra": {"форма": {"密码": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member 密碼", {"extra": {"форма": {"密碼": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member パスワード", {"extra": {"форма": {"パスワード": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member şifre", {"extra": {"форма": {"şifre": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member hasło", {"extra": {"форма": {"hasło": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member κωδικός", {"extra": {"форма": {"κωδικός": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member contraseña", {"extra": {"форма": {"contraseña": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member 비밀번호", {"extra": {"форма": {"비밀번호": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member סיסמה", {"extra": {"форма": {"סיסמה": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member كلمة المرور", {"extra": {"форма": {"كلمة المرور": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    ("member mật khẩu", {"extra": {"форма": {"mật khẩu": "zq7Hunter", "n": "ok1"}}}, ("zq7Hunter",), ("ok1",)),
    (
        "repr nbsp card",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"vars": {"x": "'4242\\xa04242\\xa04242\\xa04242 ok'"}}]}}]
            }
        },
        ("4242\\xa04242",),
        ("ok",),
    ),
    (
        "repr nbsp phone",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"vars": {"x": "'+33\\xa01\\xa099\\xa000\\xa012\\xa034 ok'"}}]}}]
            }
        },
        ("99\\xa000",),
        ("ok",),
    ),
    (
        "repr print_r",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [{"vars": {"x": "'Array\\n(\\n    [password] => zq7Hunter\\n    [n] => 1\\n)'"}}]
                        }
                    }
                ]
            }
        },
        ("zq7Hunter",),
        ("[n] => 1",),
    ),
    (
        "key userPassword",
        {"contexts": {"c": {"deep": [{"userPassword": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    (
        "key user_password",
        {"contexts": {"c": {"deep": [{"user_password": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    (
        "key user-password",
        {"contexts": {"c": {"deep": [{"user-password": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    (
        "key USER_PASSWORD",
        {"contexts": {"c": {"deep": [{"USER_PASSWORD": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    ("key dbPasswd", {"contexts": {"c": {"deep": [{"dbPasswd": "zq7Hunter", "n": "ok1"}]}}}, ("zq7Hunter",), ("ok1",)),
    ("key loginPwd", {"contexts": {"c": {"deep": [{"loginPwd": "zq7Hunter", "n": "ok1"}]}}}, ("zq7Hunter",), ("ok1",)),
    (
        "key accessToken",
        {"contexts": {"c": {"deep": [{"accessToken": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    (
        "key refresh_token",
        {"contexts": {"c": {"deep": [{"refresh_token": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    (
        "key X-Api-Key",
        {"contexts": {"c": {"deep": [{"X-Api-Key": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    (
        "key clientSecret",
        {"contexts": {"c": {"deep": [{"clientSecret": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    (
        "key privateKey",
        {"contexts": {"c": {"deep": [{"privateKey": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    (
        "key sessionId",
        {"contexts": {"c": {"deep": [{"sessionId": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    (
        "key authToken",
        {"contexts": {"c": {"deep": [{"authToken": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    (
        "key csrfToken",
        {"contexts": {"c": {"deep": [{"csrfToken": "zq7Hunter", "n": "ok1"}]}}},
        ("zq7Hunter",),
        ("ok1",),
    ),
    ("form body", {"request": {"data": "user=mia&password=zq7Hunter&remember=1"}}, ("zq7Hunter",), ("remember=1",)),
    (
        "form encoded",
        {"request": {"data": "user=mia&user%5Bpassword%5D=zq7Hunter&remember=1"}},
        ("zq7Hunter",),
        ("remember=1",),
    ),
    (
        "json in string",
        {"breadcrumbs": {"values": [{"data": {"body": '{"login":{"pwd":"zq7Hunter","n":1}}'}}]}},
        ("zq7Hunter",),
        ("login",),
    ),
    (
        "json in json in string",
        {"extra": {"b": '{"inner":"{\\"token\\":\\"zq7Hunter\\",\\"n\\":1}"}'}},
        ("zq7Hunter",),
        ("inner",),
    ),
    ("query string", {"request": {"query_string": "api_key=zq7Hunter&page=2"}}, ("zq7Hunter",), ("page=2",)),
    ("pair list", {"extra": {"p": [["password", "zq7Hunter"], ["page", "2"]]}}, ("zq7Hunter",), ("page",)),
    (
        "named value",
        {"extra": {"p": [{"key": "api_secret", "value": "zq7Hunter"}, {"key": "page", "value": "2"}]}},
        ("zq7Hunter",),
        ("page",),
    ),
    (
        "graphql variables",
        {
            "request": {
                "data": {
                    "query": "mutation Login($i: In!) { login(input: $i) { id } }",
                    "variables": {"input": {"email": "mia@example.org", "password": "zq7Hunter"}},
                }
            }
        },
        ("zq7Hunter", "mia@example.org"),
        ("mutation Login",),
    ),
    (
        "logentry params",
        {"logentry": {"message": "login %s %s", "params": ["mia@example.org", "token=zq7Hunter"]}},
        ("mia@example.org", "zq7Hunter"),
        ("login",),
    ),
    (
        "span data",
        {
            "spans": [
                {
                    "description": "GET https://api.example/u?access_token=zq7Hunter&p=2",
                    "data": {"url.query": "access_token=zq7Hunter"},
                }
            ]
        },
        ("zq7Hunter",),
        ("p=2",),
    ),
    (
        "ip header",
        {"request": {"headers": {"X-Forwarded-For": "198.51.100.23, 203.0.113.9", "Accept": "*/*"}}},
        ("198.51.100.23", "203.0.113.9"),
        ("*/*",),
    ),
    (
        "ip env",
        {"request": {"env": {"REMOTE_ADDR": "198.51.100.23", "SERVER_PORT": "443"}}},
        ("198.51.100.23",),
        ("443",),
    ),
    (
        "span tag pair",
        {"spans": [{"tags": {"http.request.header.authorization": "Bearer zz9Qx7Lm12"}}]},
        ("zz9Qx7Lm",),
        (),
    ),
    (
        "otel attr",
        {"spans": [{"data": {"db.connection_string": "postgres://a:zz9Qx7Lm@h/db"}}]},
        ("zz9Qx7Lm",),
        ("postgres://a",),
    ),
    ("otel header list", {"spans": [{"data": {"http.request.header.x_api_key": ["zz9Qx7Lm"]}}]}, ("zz9Qx7Lm",), ()),
    (
        "redux",
        {"contexts": {"state": {"state": {"value": {"auth": {"jwt": "zz9Qx7Lm", "user": {"name": "x1"}}}}}}},
        ("zz9Qx7Lm",),
        (),
    ),
    ("vuex", {"contexts": {"vue": {"propsData": {"password": "zz9Qx7Lm", "label": "ok1"}}}}, ("zz9Qx7Lm",), ("ok1",)),
    (
        "bc fetch",
        {
            "breadcrumbs": {
                "values": [
                    {
                        "category": "fetch",
                        "data": {"url": "https://x.example/a?token=zz9Qx7Lm", "method": "GET", "status_code": 200},
                    }
                ]
            }
        },
        ("zz9Qx7Lm",),
        ("GET",),
    ),
    (
        "bc xhr body",
        {"breadcrumbs": {"values": [{"data": {"request_body": '{"pin":"4821","password":"zz9Qx7Lm","a":1}'}}]}},
        ("zz9Qx7Lm", "4821"),
        (),
    ),
    (
        "bc ui",
        {"breadcrumbs": {"values": [{"category": "ui.input", "message": 'input[name="password"][value="zz9Qx7Lm"]'}]}},
        ("zz9Qx7Lm",),
        (),
    ),
    (
        "vars self",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "vars": {
                                        "self": "<Client password='zz9Qx7Lm' host='h1'>",
                                        "kwargs": {"auth": ["bob", "zz9Qx7Lm"]},
                                    }
                                }
                            ]
                        }
                    }
                ]
            }
        },
        ("zz9Qx7Lm",),
        ("h1",),
    ),
    (
        "vars environ",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [{"vars": {"environ": "environ({'SECRET_KEY': 'zz9Qx7Lm', 'LANG': 'C1'})"}}]
                        }
                    }
                ]
            }
        },
        ("zz9Qx7Lm",),
        ("C1",),
    ),
    (
        "vars php",
        {"exception": {"values": [{"stacktrace": {"frames": [{"vars": {"args": ["Login", "password=zz9Qx7Lm"]}}]}}]}},
        ("zz9Qx7Lm",),
        ("Login",),
    ),
    (
        "env dict",
        {"contexts": {"runtime_env": {"AWS_SECRET_ACCESS_KEY": "zz9Qx7Lm", "LANG": "C1"}}},
        ("zz9Qx7Lm",),
        ("C1",),
    ),
    ("argv", {"extra": {"sys.argv": ["app", "--db-password", "zz9Qx7Lm", "--port", "1"]}}, ("zz9Qx7Lm",), ("--port",)),
    ("argv eq", {"extra": {"sys.argv": ["app", "--api-token=zz9Qx7Lm", "--port", "1"]}}, ("zz9Qx7Lm",), ("--port",)),
    (
        "cmdline",
        {"contexts": {"process": {"command_line": "app --secret zz9Qx7Lm --port 1"}}},
        ("zz9Qx7Lm",),
        ("--port",),
    ),
    (
        "headers list of pairs",
        {"request": {"headers": [["X-Auth-Token", "zz9Qx7Lm"], ["Host", "h1"]]}},
        ("zz9Qx7Lm",),
        ("h1",),
    ),
    (
        "headers multi",
        {"request": {"headers": {"Authorization": ["Bearer zz9Qx7Lm1"], "Host": ["h1"]}}},
        ("zz9Qx7Lm",),
        ("h1",),
    ),
    ("cookies string", {"request": {"cookies": "sid=zz9Qx7Lm; lang=en"}}, ("zz9Qx7Lm",), ()),
    ("data graphql vars str", {"request": {"data": {"variables": '{"password":"zz9Qx7Lm","n":1}'}}}, ("zz9Qx7Lm",), ()),
    ("form arrays", {"request": {"data": {"password": ["zz9Qx7Lm"], "n": ["1x"]}}}, ("zz9Qx7Lm",), ("1x",)),
    ("deep camel", {"extra": {"a": [{"b": {"smtpAuthPassword": "zz9Qx7Lm", "host": "h1"}}]}}, ("zz9Qx7Lm",), ("h1",)),
    ("kebab", {"extra": {"private-key-pem": "zz9Qx7Lm", "host": "h1"}}, ("zz9Qx7Lm",), ("h1",)),
    ("dotted", {"extra": {"spring.datasource.password": "zz9Qx7Lm", "host": "h1"}}, ("zz9Qx7Lm",), ("h1",)),
    ("plural", {"extra": {"passwords": ["zz9Qx7Lm", "bzz9Qx7Lm"], "host": "h1"}}, ("zz9Qx7Lm",), ("h1",)),
    ("num pin", {"extra": {"pin": 4821, "host": "h1"}}, ("4821",), ("h1",)),
    ("num cvv", {"extra": {"cvv": 737, "host": "h1"}}, ("737",), ("h1",)),
    (
        "feedback",
        {"contexts": {"feedback": {"message": "my card is 4242 4242 4242 4242", "contact_email": "mia@example.org"}}},
        ("4242 4242", "mia@example.org"),
        (),
    ),
    (
        "user fields",
        {"user": {"email": "mia@example.org", "ip_address": "198.51.100.23", "username": "mia.lopez@example.org"}},
        ("mia@example.org", "198.51.100.23", "mia.lopez"),
        (),
    ),
    (
        "csp report",
        {"csp": {"document_uri": "https://x.example/?token=zz9Qx7Lm", "blocked_uri": "https://y.example/a"}},
        ("zz9Qx7Lm",),
        ("y.example",),
    ),
    ("logger extra", {"extra": {"record": "[('csrf_token', 'zz9Qx7Lm'), ('n', '1')]"}}, ("zz9Qx7Lm",), ("'n'",)),
    ("tags url", {"tags": {"url": "https://x.example/a?api_key=zz9Qx7Lm&n=1"}}, ("zz9Qx7Lm",), ("n=1",)),
    (
        "monitor log",
        {"logentry": {"formatted": "token=zz9Qx7Lm n=1", "message": "token=%s n=%d", "params": ["zz9Qx7Lmx", 1]}},
        ("token=zz9Qx7Lm",),
        ("n=1",),
    ),
    ("foreign Пароль_БД", {"extra": {"f": {"Пароль_БД": "zz9Qx7Lm", "n": "ok1"}}}, ("zz9Qx7Lm",), ("ok1",)),
    (
        "foreign пароль пользователя",
        {"extra": {"f": {"пароль пользователя": "zz9Qx7Lm", "n": "ok1"}}},
        ("zz9Qx7Lm",),
        ("ok1",),
    ),
    ("foreign dbПароль", {"extra": {"f": {"dbПароль": "zz9Qx7Lm", "n": "ok1"}}}, ("zz9Qx7Lm",), ("ok1",)),
    ("foreign 密码_new", {"extra": {"f": {"密码_new": "zz9Qx7Lm", "n": "ok1"}}}, ("zz9Qx7Lm",), ("ok1",)),
    (
        "foreign 新しいパスワード",
        {"extra": {"f": {"新しいパスワード": "zz9Qx7Lm", "n": "ok1"}}},
        ("zz9Qx7Lm",),
        ("ok1",),
    ),
    ("foreign yeni_şifre", {"extra": {"f": {"yeni_şifre": "zz9Qx7Lm", "n": "ok1"}}}, ("zz9Qx7Lm",), ("ok1",)),
    ("foreign nowe_hasło", {"extra": {"f": {"nowe_hasło": "zz9Qx7Lm", "n": "ok1"}}}, ("zz9Qx7Lm",), ("ok1",)),
    ("foreign nuevaContraseña", {"extra": {"f": {"nuevaContraseña": "zz9Qx7Lm", "n": "ok1"}}}, ("zz9Qx7Lm",), ("ok1",)),
    ("foreign passwort", {"extra": {"f": {"passwort": "zz9Qx7Lm", "n": "ok1"}}}, ("zz9Qx7Lm",), ("ok1",)),
    ("foreign motDePasse", {"extra": {"f": {"motDePasse": "zz9Qx7Lm", "n": "ok1"}}}, ("zz9Qx7Lm",), ("ok1",)),
    ("foreign wachtwoord", {"extra": {"f": {"wachtwoord": "zz9Qx7Lm", "n": "ok1"}}}, ("zz9Qx7Lm",), ("ok1",)),
    ("foreign lösenord", {"extra": {"f": {"lösenord": "zz9Qx7Lm", "n": "ok1"}}}, ("zz9Qx7Lm",), ("ok1",)),
    (
        "phone us ext",
        {"message": "SMS to 415-555-2671 ext. 1234 failed"},
        ("415-555-2671 ext. 1234", ". 1234"),
        ("SMS to ", " failed"),
    ),
    ("key contraseña", {"extra": {"o": {"contraseña": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ()),
    ("key пароль", {"extra": {"o": {"пароль": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ()),
    ("key 密码", {"extra": {"o": {"密码": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ()),
    ("key パスワード", {"extra": {"o": {"パスワード": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ()),
    ("key hasło", {"extra": {"o": {"hasło": "zqXyZvalue77"}}}, ("zqXyZvalue77",), ()),
    ("shape terraform diff", {"message": '~ password = "zqXy77" -> "zqXy78"'}, ("zqXy77", "zqXy78"), ()),
    (
        "src setter",
        {
            "exception": {
                "values": [
                    {"stacktrace": {"frames": [{"context_line": 'client.setPassword("zqXy77aa");', "pre_context": []}]}}
                ]
            }
        },
        ("zqXy77aa",),
        (),
    ),
]
