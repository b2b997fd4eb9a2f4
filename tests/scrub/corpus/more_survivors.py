"""More texts and events that must stay, in the shape of those in :mod:`tests.scrub.corpus.survivors`."""

# ruff: noqa: RUF001 - texts in other alphabets
from __future__ import annotations

from typing import Any

_TEXTS = (
    "commit 3f786850e387550fdab836ed7e6dc881de23001b reverted",
    "trace 4bf92f3577b34da6a3ce929d0e0e4736 sampled",
    "span 00f067aa0ba902b7 closed",
    "started 2026-03-04T05:06:07.089Z",
    "took 1234567890123 ns",
    "epoch 1767225600",
    "epoch ms 1767225600123",
    "2026-11-22 10:20:30,400 INFO ok",
    "order 4242424242424241 shipped",
    "order 1000-2000-3000-4001",
    "invoice 2026-0003-4512",
    "price 1299.00 EUR",
    "EUR 1.299,00 paid",
    "total: $12,345.67",
    "line 4242, column 17",
    "app.min.js:1:245678",
    "release backend@2026.11.3+4512",
    "version 10.4.2.1 installed",
    "upgrade from 4.1.2.3 to 4.2.0.1",
    "gem 'rails', '7.0.8.4'",
    "Chrome/128.0.6613.137",
    "libssl 3.0.13-0ubuntu3.4",
    "sha256:9b74c9897bac770ffc029102a7c5fcd1d1b6b1e2a3d4c5f60718293a4b5c6d7e",
    "md5 9e107d9d372bb6826bd81d3542a419d6",
    "0x7f3a2b4c5d6e fault",
    "at set_password (auth.py:12)",
    "in get_access_token()",
    "resetPasswordToken() called",
    "verifyToken(token)",
    "setPassword(password)",
    'setPassword(getenv("DB"))',
    "user.setPassword(null)",
    '{"password":["can\'t be blank"]}',
    '{"errors":{"password":["is too short (minimum is 8 characters)"]}}',
    '{"password":["This field is required."]}',
    '{"password":"must be at least 8 characters"}',
    '{"token":["is invalid"]}',
    '{"errors":{"password":["must contain a digit","is too common"]}}',
    "password: is too short",
    "Validation failed: Password can't be blank",
    "Password can't be blank, Email is invalid",
    "PASS src/app.test.js",
    "PASS  Tests\\Unit\\LoginTest",
    "--- PASS: TestLogin (0.01s)",
    "PASS all 12 tests",
    "ok 1 - PASS thing",
    "AUTH required",
    "AUTH failed for client",
    "AUTH LOGIN not supported",
    "LOGIN failed",
    "LOGIN required first",
    "250-AUTH PLAIN LOGIN",
    "502 AUTH PLAIN is disabled",
    "AUTHENTICATE failed",
    "530 Please login with USER and PASS",
    "exit code is 137",
    "error code is 4012",
    "status code is 404",
    "the response code is 200",
    "return code 12345",
    "error code 482913",
    "zip code is 94107",
    "country code is 49",
    "product code is 482913",
    "code is unreachable",
    "session id is missing",
    "session id not found",
    "session id required",
    "invalid session id format",
    "session identifier changed",
    "verification code is required",
    "verification code is invalid",
    "verification code expired",
    "OTP is required",
    "your PIN is blocked",
    "password is 8 characters or more",
    "token -> string",
    "password -> String",
    "(password) -> Unit",
    "map(token -> token.length())",
    "password => required",
    "validates :password, presence: true",
    "'password' => 'required|min:8'",
    "auth -> users -> roles",
    "Private-Lines are missing",
    "C:\\home\\site\\wwwroot\\web.config",
    "D:\\home\\LogFiles\\http",
    "\\\\files01\\public\\docs\\x.txt",
    "/app/home/index.html",
    "homepage \\home\\ ok",
    "01 02 03 04 05 06 07 08 09 10",
    "00 01 02 03 04 05 06 07",
    "10 20 30 40 50 60 70 80 90",
    "rows 12 34 56 78 90",
    "bytes 06 12 34 56 78 06",
    "&quot;n&quot;:&quot;value&quot;",
    "a &amp; b &#64; c",
    "price&nbsp;12&#44;50",
    "&lt;token&gt; expected",
    "&lt;b&gt;password&lt;/b&gt; required",
    "x&#64;y",
    "пароль неверный",
    "неверный пароль",
    "密码错误",
    "パスワードが違います",
    "hasło jest nieprawidłowe",
    "şifre yanlış",
    "Array\n(\n    [id] => 7\n)",
    '~ name = "a" -> "b"',
    "~ tags = 3 -> 4",
    "sig: SIGTERM",
    "signal: SIGKILL",
    "self.password = password",
    "this.token = token",
    "secret data: missing",
    "ConvertTo-SecureString failed",
    "net use failed with 53",
    "text 4\xa0500\xa0000 rows",
    "Enter code to continue",
    "Your code is ready",
    "code: E1234",
    "error code: 739201",
    "exit code: 137",
    "HTTP code 404",
    "ISO code is 840",
    "code is 200",
    "item code is 12345678",
    "the code is 4 lines long",
    "line 482913 is the last",
    "row 1234 is your best guess",
    "12345 is the answer",
    "1234 as the default port",
    "version 2024 is your current version",
    "token expected at line 42",
    "unexpected token 'x1y2z3' in JSON",
    "token count is 482913",
    "token limit 4096 exceeded",
    "Invalid token at position 1234",
    "token '=' unexpected",
    "secret santa draws 12 names",
    "password must be 8-64 characters",
    "password length is 12",
    "password expires in 90 days",
    "password attempts: 3",
    "passwords differ",
    "session 12 of 40",
    "session timed out after 3600s",
    "session idle for 1800 seconds",
    "Session ID length is 32",
    "session ids are rotated",
    "ssn field is required",
    "SSN must have 9 digits",
    "social security number is required",
    "PASS 12/12",
    "FAIL PASS SKIP",
    "PASS: 12, FAIL: 0",
    "tests PASS for user module",
    "USER and PASS required",
    "AUTH command not supported",
    "503 AUTH command used when not advertised",
    "LOGIN page loaded",
    "A user LOGIN event",
    "step1 LOGIN ok",
    "auth-plain is deprecated",
    "a -> b -> c",
    "fn(x: Token) -> Password",
    "login(password: String) -> Bool",
    "Optional[str] -> password",
    "state: token -> done",
    "password -> [redacted]",
    "pass --> fail",
    "auth->login()",
    "$token->value",
    "(token) => handle(token)",
    "items.map(token => token.id)",
    "set_password(raw)",
    "setToken(null)",
    "setToken('')",
    "setPasswordVisible(true)",
    "setPasswordError('Passwords do not match')",
    "t('password')",
    "label('Password')",
    'findByPassword("?")',
    "getByLabelText('Password')",
    "useToken('colors')",
    "withSecret(secretName)",
    'parser.token("IDENT")',
    '.password("Enter your password")',
    'expect(token("x"))',
    "&quot;hello&quot;",
    "title=&quot;Reset password&quot; n=1",
    "&lt;input type=&quot;password&quot;&gt;",
    "&#64;param token the token",
    "a &gt; b &amp;&amp; c",
    "password&quot; is required",
    "password &gt; 8 chars",
    "UPDATE users SET password = ? WHERE id = ?",
    "INSERT INTO users (id, password) VALUES ($1, $2)",
    "password: <%= @password %>",
    "password: ${DB_PASSWORD}",
    "password: {{ .Values.password }}",
    "token: ${{ secrets.TOKEN }}",
    "password = var.db_password",
    'password = "${var.db_password}"',
    "password: !Ref DbPassword",
    "password: process.env.DB_PASSWORD",
    "token: os.environ['TOKEN']",
    '{"password":["has already been taken"],"email":["is invalid"]}',
    '{"password":["Password should not be empty","password must be a string"]}',
    '{"errors":[{"field":"password","message":"must not be blank"}]}',
    '{"password":["The password must be at least 8 characters."]}',
    '{"password":["The password field is required."]}',
    (
        '{"password":["This password is too short. It must contain at least 8 cha'
        'racters.","This password is too common.","This password is entirely nume'
        'ric."]}'
    ),
    '{"password":["String must contain at least 8 character(s)"]}',
    '{"password":"Required"}',
    '{"token":["Not a valid string."]}',
    '{"password":["Missing data for required field."]}',
    '{"password":["Shorter than minimum length 8."]}',
    '{"passwordConfirmation":["doesn\'t match Password"]}',
    '{"token":"is invalid"}',
    '{"current_password":["is incorrect"]}',
    "Validation Error: password: must not be blank",
    "\\home\\site\\wwwroot",
    "C:\\profiles\\default\\x.ini",
    "\\\\server\\share\\docs\\readme.txt",
    "/home/app/current/x.py",
    "cd /home",
    "ls /home/",
    "GET /home/login",
    "see /Users/Shared/x",
    "~/Users/list",
    "+33 is the French prefix",
    "0049 is Germany",
    "12 34 56 78",
    "1 2 3 4 5 6 7 8 9",
    "01/02/2026 03:04",
    "2026-01-02T03:04:05.678+01:00",
    "page 1 of 12345",
    "ID: 0123456789abcdef",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "0.1.2.3.4",
    "IP-адрес неверный",
    "10.0.0.0.1",
    "127.0.0.1:8080",
    "0.0.0.0",
    "fe80::",
    "localhost",
    "a:b:c:d:e:f",
    "DE12 Halle",
    "GB29 road",
    "IBAN missing",
    "FR76 is a road",
    "XX12345678901234567890",
    "AB12CD34",
    "card ending 4242",
    "**** **** **** 4242",
    "4242",
    "Visa ending in 1881",
    "amount 4111.11",
    "lat 40.7127 lon -74.0059",
    "0x4111111111111111",
    "img_411111.jpg",
    "isbn 978-3-16-148410-0",
    "upgrade from 1.2.3.4 to 1.2.3.5",
    "gem 'rails', '7.1.2.1'",
)

TEXTS: list[tuple[str, str | dict[str, Any]]] = [(text[:48], text) for text in _TEXTS]

EVENTS: list[tuple[str, str | dict[str, Any]]] = [
    (
        "ids",
        {
            "event_id": "9ec79c33ec9942ab8353589fcb2e04dc",
            "user": {"id": "4155552671"},
            "tags": {"release": "a@1.2.3", "build": "4155552671"},
        },
    ),
    (
        "errors members",
        {
            "extra": {
                "errors": {
                    "password": ["can't be blank", "is too short (minimum is 8 characters)"],
                    "email": ["is invalid"],
                }
            }
        },
    ),
    ("errors direct", {"extra": {"errors": {"password": "can't be blank"}}}),
    (
        "errors required",
        {"extra": {"password": ["This field is required."], "token": ["This field may not be blank."]}},
    ),
    (
        "frame function",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "function": "setPassword",
                                    "lineno": 4242,
                                    "module": "auth.password",
                                    "context_line": "def set_password(self, password):",
                                }
                            ]
                        }
                    }
                ]
            }
        },
    ),
    (
        "frame source",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "context_line": "  if user.check_password(form['password']):",
                                    "pre_context": ["  token = get_token(user)"],
                                    "post_context": ["  user.set_password(new)"],
                                }
                            ]
                        }
                    }
                ]
            }
        },
    ),
    (
        "frame lambda",
        {
            "exception": {
                "values": [{"stacktrace": {"frames": [{"context_line": "tokens.map(token -> parse(token))"}]}}]
            }
        },
    ),
    ("attribute types", {"extra": {"attributes": {"count": {"type": "integer", "value": 2125550147}}}}),
    (
        "timestamps",
        {"timestamp": 1767225600.123, "spans": [{"start_timestamp": 1767225600.1, "span_id": "00f067aa0ba902b7"}]},
    ),
    ("modules", {"modules": {"password-validator": "5.3.0", "tokenizers": "0.15.2"}}),
    (
        "rails errors",
        {
            "extra": {
                "errors": {
                    "password": ["is too short (minimum is 8 characters)"],
                    "password_confirmation": ["doesn't match Password"],
                }
            }
        },
    ),
    (
        "drf errors",
        {"extra": {"detail": {"password": ["This field may not be blank."], "token": ["This field is required."]}}},
    ),
    ("drf codes", {"extra": {"detail": {"password": [{"message": "This field is required.", "code": "required"}]}}}),
    ("laravel rules", {"extra": {"rules": {"password": "required|string|min:8|confirmed", "email": "required|email"}}}),
    ("mongoose", {"extra": {"errors": {"password": "Path `password` is required."}}}),
    (
        "joi",
        {"extra": {"details": [{"message": '"password" is required', "path": ["password"], "type": "any.required"}]}},
    ),
    (
        "source",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "context_line": "    setPassword(e.target.value)",
                                    "pre_context": ["  const [password, setPassword] = useState('')"],
                                    "post_context": ["  validate(password)"],
                                }
                            ]
                        }
                    }
                ]
            }
        },
    ),
    (
        "source2",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "context_line": "  tokens.forEach(token -> visit(token));",
                                    "pre_context": ["  case TOKEN -> parse();"],
                                    "post_context": ['  return tokenizer.token("IDENT");'],
                                }
                            ]
                        }
                    }
                ]
            }
        },
    ),
    (
        "source3",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {
                                    "context_line": "  'password' => ['required', 'min:8'],",
                                    "pre_context": ["  'password' => 'required|min:8',"],
                                    "post_context": ["  'token' => $token,"],
                                }
                            ]
                        }
                    }
                ]
            }
        },
    ),
    (
        "function names",
        {
            "exception": {
                "values": [
                    {
                        "stacktrace": {
                            "frames": [
                                {"function": "withPassword", "module": "a.b.token"},
                                {"function": "AuthMiddleware.__call__"},
                                {"function": "password -> check"},
                            ]
                        }
                    }
                ]
            }
        },
    ),
]
