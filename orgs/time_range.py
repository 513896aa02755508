"""The range of time that a page shows: the URL's, else the operator's last, else the default.

Choosing one is following a link, so a GET remembers it: pages work without scripts, and an address
with a range is all there is. What is remembered is harmless and changes nothing but what the same
operator sees next. A browser that fetches a link ahead of a click says so, and is not believed to
have chosen; a request from another site brings no cookie unless somebody follows a link there.
"""

from ibex.http import asks_ahead
from orgs.access import OrgRequest
from orgs.figures import Range, chosen_range
from orgs.models import Operator


def time_range(request: OrgRequest) -> Range:
    """Return the range of a page, and remember one that its URL names; others never are.

    One write when it is another than before, else none; nothing is read.
    """
    named = request.GET.get("range", "")
    chosen = chosen_range(named)
    if chosen.name != named:
        return chosen_range(request.user.time_range)
    if chosen.name != request.user.time_range and not asks_ahead(request):
        Operator.objects.filter(pk=request.user.pk).update(time_range=chosen.name)
    return chosen
