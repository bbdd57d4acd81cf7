"""Work that waits for me, over all kinds."""

from collections.abc import Sequence

from flask.views import MethodView

from pettycash.api.blueprints import Blueprint
from pettycash.runtime.db import transaction
from pettycash.services.reports import work
from pettycash.web.admission import current_actor, operation
from pettycash.web.schemas.work import EXAMPLE_WORK, WorkSchema

blp = Blueprint("work", __name__, url_prefix="/api/work", description="What waits for me.")


@blp.route("/")
class WaitingWork(MethodView):
    @operation("work.list")
    @blp.response(200, WorkSchema, example=EXAMPLE_WORK)
    def get(self) -> dict[str, Sequence[work.Work]]:
        """List what waits for you: decisions, releases, cash, cases, changes and the rest."""
        with transaction() as session:
            return {"items": work.waiting(session, actor=current_actor())}
