"""Routes of people: coming in, tokens, sites, health. Their names carry no namespace."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, path

from screening.people import entrance, health, key_pages, language_page, reads_pages, site_pages, token_pages

urlpatterns: list[URLPattern] = [
    path("", entrance.home, name="home"),
    path("sign-in/", entrance.SignIn.as_view(), name="sign_in"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("enter/<str:secret>/", entrance.enter, name="enter"),
    path("invitation/<str:secret>/", entrance.invitation, name="invitation"),
    path("disclaimer/", entrance.disclaimer, name="disclaimer"),
    path("language/", language_page.language, name="language"),
    path("password/", entrance.password, name="password"),
    path("tokens/", token_pages.tokens, name="tokens"),
    path("tokens/<str:digest>/revoke/", token_pages.token_revoke, name="token_revoke"),
    path("sites/", site_pages.sites, name="sites"),
    path("sites/<uuid:site_id>/", site_pages.admin_site, name="admin_site"),
    path("sites/<uuid:site_id>/invite/", site_pages.site_invite, name="site_invite"),
    path(
        "sites/<uuid:site_id>/invitations/<int:link_id>/withdraw/",
        site_pages.invitation_withdraw,
        name="invitation_withdraw",
    ),
    path("sites/<uuid:site_id>/members/<int:membership_id>/role/", site_pages.member_role, name="member_role"),
    path("sites/<uuid:site_id>/members/<int:membership_id>/remove/", site_pages.member_remove, name="member_remove"),
    path("sites/<uuid:site_id>/policy/", site_pages.site_policy, name="site_policy"),
    path("sites/<uuid:site_id>/key/", key_pages.site_key_page, name="site_key"),
    path("sites/<uuid:site_id>/key/export/", key_pages.key_export, name="key_export"),
    path("sites/<uuid:site_id>/key/rotate/", key_pages.key_rotate, name="key_rotate"),
    path("sites/<uuid:site_id>/limits/", site_pages.site_limits, name="site_limits"),
    path("sites/<uuid:site_id>/reads/", reads_pages.site_reads, name="site_reads"),
    path("sites/<uuid:site_id>/audit/", site_pages.site_audit, name="site_audit"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
