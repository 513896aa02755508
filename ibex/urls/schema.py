"""Both API roles' routes together, for the OpenAPI document alone; no role serves this."""

from ibex.urls import api, memory

urlpatterns = [*api.urlpatterns, *memory.urlpatterns]
