"""Where rails report, and what operators see of it.

The path's last part is a secret; it stands in no log (`log_lines` cuts it out) and in no answer.
"""

import logging
from functools import partial
from typing import Any
from uuid import UUID

from flask import request
from flask.views import MethodView
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import NotFound

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.runtime import db
from pettycash.runtime.crash_points import crash_point
from pettycash.services.payments import callback_addresses, callback_sources, callbacks
from pettycash.services.payments.callbacks import InboxBusy
from pettycash.web.admission import operation
from pettycash.web.operations.payments import callbacks as operations
from pettycash.web.refusals import refuses
from pettycash.web.schemas.inbox import CallbackAnswerSchema

logger = logging.getLogger(__name__)

blp = Blueprint(
    "callbacks",
    __name__,
    url_prefix="/api/callbacks",
    description="The inbox of what rails report.",
)

THANKS = {"ResultCode": 0, "ResultDesc": "Accepted"}


@blp.route("/<string:slug>/<string(length=64):secret>")  # not /<uuid>/replay/
class CallbackReceipt(MethodView):
    @operation("callbacks.receive", recognises=callback_addresses.is_right)
    @blp.response(200, CallbackAnswerSchema, example=THANKS)
    @refuses(InboxBusy)
    def post(self, slug: str, secret: str) -> dict[str, Any]:
        """Take what a rail reports, whatever it is: it is stored, then processed by workers.

        With the right secret any body up to 1 MiB is taken, of any media type, with any query
        string and as often as it comes, where it comes from an address that the rail calls from.
        """
        body = request.get_data(cache=False)
        caller = request.remote_addr
        try:
            with db.system_autocommit() as autocommit:
                address = callbacks.locate(
                    autocommit, slug=slug, secret=secret, remote_address=caller
                )
            crash_point("callbacks.located")
            if address.request_id is not None:
                # What the rail reports goes on with the story of the request that released it.
                db.set_scope(request_id=address.request_id)
            if address.foreign_to is not None:
                _report_foreign(address, address.foreign_to, caller)
                raise callbacks.NoSuchCallback
            receive = partial(
                callbacks.receive,
                address=address,
                body=body,
                content_type=request.content_type,
                remote_address=caller,
            )
            with db.scope(company_id=address.company_id, source="callback"):
                db.in_transaction(receive, attempts=callbacks.RECEIVING_ATTEMPTS)
        except callbacks.NoSuchCallback:
            logger.warning("a callback to a wrong address", extra={"remote_address": caller})
            # The very answer of a path that does not exist.
            raise NotFound from None
        except DBAPIError as error:
            if db.sqlstate(error) in db.RETRIABLE_SQLSTATES:
                raise callbacks.InboxBusy from error
            raise
        crash_point("callbacks.stored")
        return THANKS


def _report_foreign(address: callbacks.Address, account_id: UUID, caller: str | None) -> None:
    """People hear of a right secret from a foreign address; the caller only what all hear."""
    with db.system_transaction() as session:
        if not callback_sources.is_news(session, account_id=account_id, remote_address=caller):
            return
    with db.scope(company_id=address.company_id, source="callback"), db.transaction() as session:
        callback_sources.report(
            session, account_id=account_id, attempt_id=address.attempt_id, remote_address=caller
        )


serve(blp, "/", get=operations.list_all)
serve(blp, "/<uuid:callback_id>/", get=operations.get)
serve(blp, "/<uuid:callback_id>/replay/", post=operations.replay)
