"""What schemathesis has to be told about Holdfast, because a schema cannot say it.

Each rule names its reason; docs/openapi-fuzzing.md has the same list for readers.
"""

import hashlib
import hmac
import os
import re
import time
from datetime import datetime

import schemathesis

WEBHOOK_SECRET = os.environ["HOLDFAST_WEBHOOK_SECRET"].encode()
SIGNATURE = re.compile(r"t=[0-9]{1,12}(,v1=[0-9a-fA-F]{64}){1,4}\Z")

RUNNING_SALE = {
    "flashSaleId": int(os.environ["HOLDFAST_FLASH_SALE_ID"]),
    "productId": int(os.environ["HOLDFAST_PRODUCT_ID"]),
}

# Refusals of requests that fit the schema and come at the wrong moment.
STATE_CODES = {
    # The key came before with another body. The check knows no such status.
    422: "idempotency_key_reused",
    # The provider says no to a payment method it does not know.
    402: "payment_declined",
}


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps every failure but those of the check "schema-valid request rejected" with a code from above."""
    if failure.__class__.__name__ != "RejectedPositiveData":
        return True
    expected = STATE_CODES.get(response.status_code)
    return expected is None or response.json().get("code") != expected


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives a request that fits the schema what the schema cannot say."""
    route = f"{case.method.upper()} {case.operation.path}"
    if route == "POST /v1/webhooks/payments":
        kwargs["auth"] = sign
    if route == "POST /v1/admin/flash-sales":
        order_times(case.body)
    if route == "POST /v1/cart/items":
        choose_running_sale(case.body)


def sign(request):
    """A signature of the right form becomes the one that the provider makes of these bytes.

    One of a wrong form stays: it has to be refused.
    """
    if SIGNATURE.match(text_of(request.headers.get("payment-signature", ""))):
        seconds = str(int(time.time()))
        signed = seconds.encode() + b"." + bytes_of(request.body)
        digest = hmac.new(WEBHOOK_SECRET, signed, hashlib.sha256).hexdigest()
        request.headers["payment-signature"] = f"t={seconds},v1={digest}"
    return request


def text_of(header):
    return header.decode("latin-1") if isinstance(header, bytes) else header


def bytes_of(body):
    return body.encode() if isinstance(body, str) else body or b""


def order_times(body):
    """`endsAt` is after `startsAt`: a rule over two members, which JSON Schema does not have."""
    if not isinstance(body, dict):
        return
    starts, ends = instant(body.get("startsAt")), instant(body.get("endsAt"))
    if starts is None or ends is None:
        return
    if ends < starts:
        body["startsAt"], body["endsAt"] = body["endsAt"], body["startsAt"]
    elif ends == starts:
        body["startsAt"], body["endsAt"] = "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


def instant(text):
    """None for what is no time: such a body has to be refused as it is."""
    try:
        return datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return None


def choose_running_sale(body):
    """Every other request is for a sale that runs: no schema knows which ids there are."""
    if not isinstance(body, dict):
        return
    sale, product = body.get("flashSaleId"), body.get("productId")
    if is_id(sale) and is_id(product) and (sale + product) % 2 == 0:
        body.update(RUNNING_SALE)


def is_id(value):
    return type(value) is int and 1 <= value < 2**53
