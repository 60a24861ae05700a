"""Routes of DICOMweb (PS3.18): one address answers to several services, each with its own method."""

from django.urls import URLPattern, path

from screening.dicomweb import retrieving, searching, storing

ONE_STUDY = "studies/<str:study_uid>"
ONE_SERIES = f"{ONE_STUDY}/series/<str:series_uid>"
ONE_INSTANCE = f"{ONE_SERIES}/instances/<str:instance_uid>"


class Studies(storing.Studies, searching.Studies):
    """All studies: search, store."""


class OneStudy(storing.OneStudy, retrieving.Retrieve):
    """One study: retrieve, store."""


app_name = "dicomweb"
urlpatterns: list[URLPattern] = [
    path("studies", Studies.as_view(), name="studies"),
    path("series", searching.Series.as_view(), name="all_series"),
    path("instances", searching.Instances.as_view(), name="all_instances"),
    path(ONE_STUDY, OneStudy.as_view(), name="study"),
    path(f"{ONE_STUDY}/metadata", retrieving.Metadata.as_view(), name="study_metadata"),
    path(f"{ONE_STUDY}/series", searching.Series.as_view(), name="study_series"),
    path(f"{ONE_STUDY}/instances", searching.Instances.as_view(), name="study_instances"),
    path(ONE_SERIES, retrieving.Retrieve.as_view(), name="series"),
    path(f"{ONE_SERIES}/metadata", retrieving.Metadata.as_view(), name="series_metadata"),
    path(f"{ONE_SERIES}/instances", searching.Instances.as_view(), name="series_instances"),
    path(ONE_INSTANCE, retrieving.Retrieve.as_view(), name="instance"),
    path(f"{ONE_INSTANCE}/metadata", retrieving.Metadata.as_view(), name="instance_metadata"),
]
