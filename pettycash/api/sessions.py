"""One's own sessions."""

from pettycash.api.blueprints import Blueprint
from pettycash.api.routes import serve
from pettycash.web.operations.access import sessions

blp = Blueprint(
    "sessions", __name__, url_prefix="/api/auth/sessions", description="Where one is signed in."
)

serve(blp, "/", get=sessions.list_all)
serve(blp, "/revoke_all/", post=sessions.revoke_all)
serve(blp, "/<uuid:session_id>/", delete=sessions.revoke)
