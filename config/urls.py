"""Every address of the site. Loads no torch."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
    path("api/v1/", include("accounts.api_urls")),
    path("api/v1/", include("recsys.api_urls")),
    path("api/v1/", include("composer.api_urls")),
    path("", include("accounts.urls")),
    path("", include("recsys.urls")),
    path("", include("composer.urls")),
    path("", include("training.urls")),
]
