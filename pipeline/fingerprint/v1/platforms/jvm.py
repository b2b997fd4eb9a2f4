"""Frames of the JVM: Java, Kotlin, Scala and Groovy, with what their compilers and proxies generate."""

from __future__ import annotations

import re

from pipeline.fingerprint.v1.model import APP, LIBRARY, RUNTIME, SHIM, Platform
from schemas.event import Frame

_GENERATED_CLASS = re.compile(
    r"\$\$(?:EnhancerBy|FastClassBy|KeyFactoryBy|SpringCGLIB|Lambda|_javassist|_Weld)\S*|\$\$Lambda.*|\$Lambda.*"
    r"|\$(?:ByteBuddy|MockitoMock|HibernateProxy|HibernateInstantiator|Proxy|auxiliary)\$?\w*|_\$\$_\w+|_Accessor_\w+"
    r"|\$\$(?:External|Internal)SyntheticLambda\S*|-\$\$Nest\S*|-CC$|\$-CC$|__\d{2,}"
    r"|/0x[0-9a-f]+|_Subclass$|_ClientProxy$|\$Companion$|\$DefaultImpls$|Kt$"
)
_INNER = re.compile(r"\$(?:\d+|sam\$\S*|inlined\$\S*|special\$\S*|lambda-?\d*|\$inlined\S*|_?closure\d*)+")
_LAMBDA = re.compile(
    r"^lambda\$(?:static\$)?(?P<name>[^$]+)\$.*$|^\$?anonfun\$(?P<scala>[^$]+)\$\d+(?:\$adapted)?$|^(?P<kotlin>[\w]+)\$lambda[$\-]?\d*.*$"
)
_DEFAULT = re.compile(r"\$(?:default|suspendImpl|app_\w+|\w+_release|\w+_debug|internal\w*)$|-[a-zA-Z0-9_]{5,8}$")
_ACCESS = re.compile(r"^access\$\d+$|^access\$\w+|^\$values$|^\$r8\$")
_CGLIB = re.compile(r"^CGLIB\$(?P<name>\w+)\$\d+$")
_NUMBERED = re.compile(r"\d{3,}$")
# A Kotlin coroutine or lambda is a class of its own, named after the function it was written in.
_CALLED_ON_CLASS = frozenset(
    {"invokeSuspend", "invoke", "run", "call", "apply", "accept", "get", "resumeWith", "doCall", "test"}
)
_WITHIN = re.compile(r"\$(?P<name>[a-z_]\w*)\$(?:\d|lambda|\$inlined|\w+\$\d)")

_RUNTIME = re.compile(
    r"^(?:java|javax|jdk|sun|com\.sun|kotlin|kotlinx|scala|groovy|clojure|dalvik|libcore|com\.ibm\.jvm|jakarta|jrockit"
    r"|org\.graalvm|com\.oracle\.svm|org\.codehaus\.groovy|java_cup|android\.os|com\.android\.internal|oracle\.jrockit)\."
)
_LIBRARY = re.compile(
    r"^(?:org\.(?:springframework|apache|hibernate|eclipse|jboss|wildfly|junit|mockito|slf4j|quartz|postgresql|h2"
    r"|mariadb|mongodb|elasticsearch|opensearch|jooq|flywaydb|liquibase|thymeleaf|glassfish|xnio|aspectj|reactivestreams|redisson|"
    r"neo4j|json|yaml|bouncycastle|testng|gradle|jetbrains\.exposed|koin|bson|ehcache|infinispan|assertj|codehaus|jctools)"
    r"|io\.(?:netty|reactivex|micrometer|micronaut|quarkus|vertx|sentry|grpc|ktor|lettuce|undertow|jsonwebtoken|r2dbc|"
    r"smallrye|opentelemetry|projectreactor|confluent|swagger|kubernetes|fabric8|dropwizard|github\.resilience4j)"
    r"|com\.(?:fasterxml|google|zaxxer|mysql|squareup|netflix|datastax|amazonaws|microsoft|oracle|facebook|mongodb|"
    r"android|hazelcast|rabbitmq|thoughtworks|jcraft|codahale|lmax|typesafe|twitter|github\.benmanes|bumptech|alibaba|"
    r"sendgrid|stripe|azure|jayway|nimbusds|vaadin|esotericsoftware|newrelic|datadog|bugsnag)"
    r"|reactor|okhttp3|okio|retrofit2|rx|akka|play|feign|redis|android|androidx|ch\.qos|net\.bytebuddy|net\.sf|lombok|"
    r"freemarker|brave|zipkin2|dagger|javassist|antlr|coil|timber|leakcanary|cats|zio|slick|ratpack|spark|software\.amazon|zone)\."
)
_GENERATED = re.compile(
    r"Generated(?:Method|Constructor|Serialization\w*)Accessor\d*|\$Proxy\d+$|^com\.sun\.proxy\.|^jdk\.proxy\d*\.|LambdaForm|FastClass|\.proxy\$"
)

# Classes made at run time, whose methods only call the same method of the class they stand for.
_DELEGATING = re.compile(
    rf"{_GENERATED.pattern}|\$\$(?:EnhancerBy|FastClassBy|SpringCGLIB|_javassist|_Weld|Lambda|ExternalSyntheticLambda|InternalSyntheticLambda)|\$(?:ByteBuddy|MockitoMock|"
    r"HibernateProxy)\$|_\$\$_|_Subclass$|_ClientProxy$"
)


def normal_class(raw: str) -> str:
    """Return a class's name as its author wrote it, without proxies, lambdas and numbered inner classes."""
    return _INNER.sub("", _GENERATED_CLASS.sub("", raw)).rstrip("$")


def _name(function: str, frame: Frame) -> str:
    if _ACCESS.match(function) or (frame.module and _DELEGATING.search(frame.module)):
        return SHIM
    for pattern in (_LAMBDA, _CGLIB):
        found = pattern.match(function)
        if found:
            function = next(group for group in found.groups() if group)
    if function in _CALLED_ON_CLASS and frame.module:
        within = _WITHIN.search(_GENERATED_CLASS.sub("", frame.module))
        if within:
            function = within["name"]
    return _NUMBERED.sub("", _DEFAULT.sub("", function))


def _place(frame: Frame) -> str:
    if not frame.module:
        return frame.filename or ""
    name = _GENERATED_CLASS.sub("", frame.module)
    within = _WITHIN.search(name)
    if within:
        name = name[: within.start()]
    return normal_class(name)


def _nearness(frame: Frame) -> int:
    module = frame.module or ""
    if _GENERATED.search(module) or _RUNTIME.match(module):
        return RUNTIME
    return LIBRARY if _LIBRARY.match(module) else APP


PLATFORM: Platform = Platform("java", _name, _place, _nearness)
