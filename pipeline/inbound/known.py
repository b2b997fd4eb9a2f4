"""What is known to be noise, as data: messages, schemes, names and versions. Pure.

Messages are what browsers, extensions, in-app browsers and scanners are seen to raise in pages that are not at fault;
each is a glob, and covers the message with or without its type in front.
"""

from __future__ import annotations

DEVELOPMENT = ("dev", "dev-*", "dev_*", "develop", "development", "local", "localhost", "debug", "test", "testing")
"""Names of environments that no user ever sees."""

EXTENSION_SCHEMES = (
    "chrome-extension://",
    "moz-extension://",
    "safari-extension://",
    "safari-web-extension://",
    "ms-browser-extension://",
    "webkit-masked-url://",
    "chrome://",
    "resource://",
)
"""Where code runs that belongs to the browser or to an extension of it."""

EXTENSION_MESSAGES = (
    "*Extension context invalidated*",
    "*Could not establish connection. Receiving end does not exist*",
    "*The message port closed before a response was received*",
    "*A listener indicated an asynchronous response by returning true*",
    "*plugin.setSuspendState is not a function*",
    "*atomicFindClose*",
    "*conduitPage*",
    "*Cannot redefine property: ethereum*",
    "*Cannot set property ethereum of*",
    "*__firefox__*",
)

THIRD_PARTY_MESSAGES = (
    "*ResizeObserver loop*",
    "Script error.",
    "Script error",
    "*Object Not Found Matching Id:*",
    "*_AutofillCallbackHandler*",
    "*instantSearchSDKJSBridgeClearHighlight*",
    "*window.webkit.messageHandlers*",
    "*Can't find variable: gmo",
    "*Java object is gone*",
    "*Java exception was raised during method invocation*",
    "*zaloJSV2*",
    "*ceCurrentVideo.currentTime*",
    "*fb_xd_fragment*",
    "*MyApp_RemoveAllHighlights*",
    "*xbrowser is not defined*",
    "*Can't find variable: PaymentAutofillConfig*",
    "*The play() request was interrupted*",
)

NETWORK_MESSAGES = (
    "Failed to fetch*",
    "Load failed*",
    "NetworkError when attempting to fetch resource*",
    "Network request failed*",
    "Network Error",
    "The Internet connection appears to be offline*",
    "The network connection was lost*",
    "The request timed out*",
    "cancelled",
    "The operation was aborted*",
    "The user aborted a request*",
    "Fetch is aborted*",
    "signal is aborted without reason",
    "Request aborted",
)
"""What a browser says when a request did not get through: for want of a network, or because the page was left."""

HEALTH_CHECKS = (
    "*/health",
    "*/health/*",
    "*/healthz",
    "*/healthz/*",
    "*/healthcheck",
    "*/health-check",
    "*/health_check",
    "*/livez",
    "*/liveness",
    "*/live",
    "*/readyz",
    "*/readiness",
    "*/ready",
    "*/ping",
    "*/heartbeat",
    "*/__heartbeat__",
    "*/__lbheartbeat__",
    "*/up",
    "*/-/healthy",
    "*/-/ready",
    "health",
    "healthz",
    "healthcheck",
    "health_check",
    "ping",
)
"""Names of transactions in which a load balancer or an orchestrator asks whether a service is alive."""

OLDEST_BROWSERS = {
    "Edge": 79,
    "OPR": 51,
    "Opera": 51,
    "Chrome": 63,
    "Firefox": 67,
    "Safari": 12,
    "Opera Mini": 35,
    "Android": 5,
}
"""The first version that is not a legacy one, mostly the first that knows dynamic import; of Internet Explorer, none.

https://caniuse.com/es6-module-dynamic-import: Chrome 63, Firefox 67, Safari 11.1, Opera 50, Edge 79.
"""
