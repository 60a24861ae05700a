"""Rows for tests: fixed defaults, one trait per state, no dice."""

from datetime import timedelta
from uuid import uuid4

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from ml.vocabulary import DISCLAIMER_VERSION, PIPELINE
from screening.results.models import (
    Explanation,
    ExplanationState,
    ModelVersion,
    OperatingPoint,
    Screening,
    ScreeningState,
)
from screening.studies.models import Image, Study, StudyState
from screening.uploads.models import Item, ItemState, Upload, UploadState
from screening.users.models import DisclaimerAcceptance, Membership, Role, Site, User


class SiteFactory(DjangoModelFactory):
    class Meta:
        model = Site

    name = factory.Sequence(lambda n: f"Site {n:05}")


class UserFactory(DjangoModelFactory):
    """A person who accepted the disclaimer; `UserFactory(role_at=(site, Role.STAFF))` makes a member."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n:05}")

    @factory.post_generation
    def accepted(obj, create, extracted, **_):  # noqa: N805 - factory_boy passes the object
        if create and extracted is not False:
            DisclaimerAcceptance.objects.create(user=obj, version=DISCLAIMER_VERSION)

    @factory.post_generation
    def role_at(obj, create, extracted, **_):  # noqa: N805 - factory_boy passes the object
        if create and extracted:
            site, role = extracted
            Membership.objects.create(user=obj, site=site, role=role)


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    site = factory.SubFactory(SiteFactory)
    role = Role.STAFF


class ModelVersionFactory(DjangoModelFactory):
    class Meta:
        model = ModelVersion
        skip_postgeneration_save = True

    slug = factory.Sequence(lambda n: f"xray-test-{n:05}")
    version = "1.0.0"
    title = "A model for tests"
    modality = "xray"
    labels = ["covid", "normal"]
    flag_labels = ["covid"]
    card = factory.LazyAttribute(lambda o: {"slug": o.slug, "version": o.version, "limits": []})
    sha256 = "m" * 64
    folder = "none"

    @factory.post_generation
    def threshold(obj, create, extracted, **_):  # noqa: N805 - factory_boy passes the object
        if create:
            OperatingPoint.objects.create(model_version=obj, label="covid", value=extracted or 0.5)


class UploadFactory(DjangoModelFactory):
    class Meta:
        model = Upload

    site = factory.SubFactory(SiteFactory)
    created_by = factory.SubFactory(UserFactory)

    class Params:
        sealed = factory.Trait(state=UploadState.SEALED, sealed_at=factory.LazyFunction(timezone.now))
        finished = factory.Trait(state=UploadState.FINISHED, finished_at=factory.LazyFunction(timezone.now))


class ItemFactory(DjangoModelFactory):
    class Meta:
        model = Item

    upload = factory.SubFactory(UploadFactory)
    path = factory.Sequence(lambda n: f"folder/picture{n:05}.png")
    path_digest = factory.Sequence(lambda n: f"{n:064x}")
    size = 1000
    sha256 = factory.Sequence(lambda n: f"{n:064x}")
    rank = factory.Sequence(float)

    class Params:
        received = factory.Trait(state=ItemState.RECEIVED, incoming=factory.Sequence(lambda n: f"raw{n}"))
        accepted = factory.Trait(state=ItemState.ACCEPTED, done_at=factory.LazyFunction(timezone.now))


class StudyFactory(DjangoModelFactory):
    class Meta:
        model = Study

    upload = factory.SubFactory(UploadFactory, sealed=True)
    site = factory.SelfAttribute("upload.site")
    grouping = factory.Sequence(lambda n: f"file:5{n:063x}")  # of no file that a factory makes
    modality = "xray"
    state = StudyState.SCREENING

    class Params:
        ready = factory.Trait(state=StudyState.READY, completed_at=factory.LazyFunction(timezone.now))
        flagged_ready = factory.Trait(
            state=StudyState.READY, flagged=True, completed_at=factory.LazyFunction(timezone.now)
        )
        incomplete = factory.Trait(
            state=StudyState.INCOMPLETE, not_assessed=True, completed_at=factory.LazyFunction(timezone.now)
        )


class ImageFactory(DjangoModelFactory):
    class Meta:
        model = Image

    study = factory.SubFactory(StudyFactory)
    site = factory.SelfAttribute("study.site")
    sha256 = factory.Sequence(lambda n: f"{n:064x}")
    kind = "png"
    source_name = "source.png"
    modality = factory.SelfAttribute("study.modality")
    rows = 400
    columns = 300
    pixels_sha256 = factory.SelfAttribute("sha256")
    plane_sha256 = "p" * 64
    pipeline = PIPELINE


class ScreeningFactory(DjangoModelFactory):
    class Meta:
        model = Screening

    image = factory.SubFactory(ImageFactory)
    study = factory.SelfAttribute("image.study")
    site = factory.SelfAttribute("image.site")
    upload = factory.SelfAttribute("image.study.upload")
    model_version = factory.SubFactory(ModelVersionFactory)
    pipeline = PIPELINE
    rank = factory.Sequence(float)

    class Params:
        leased = factory.Trait(
            state=ScreeningState.LEASED,
            lease_token=factory.LazyFunction(uuid4),
            lease_until=factory.LazyFunction(lambda: timezone.now() + timedelta(minutes=10)),
        )
        abandoned = factory.Trait(
            state=ScreeningState.LEASED,
            lease_token=factory.LazyFunction(uuid4),
            lease_until=factory.LazyFunction(lambda: timezone.now() - timedelta(seconds=5)),
        )
        scored = factory.Trait(
            state=ScreeningState.SCORED,
            scores={"covid": 0.1, "normal": 0.9},
            thresholds={"covid": 0.5},
            done_at=factory.LazyFunction(timezone.now),
        )
        scored_flagged = factory.Trait(
            state=ScreeningState.SCORED,
            scores={"covid": 0.9, "normal": 0.1},
            thresholds={"covid": 0.5},
            flagged=True,
            done_at=factory.LazyFunction(timezone.now),
        )


class ExplanationFactory(DjangoModelFactory):
    class Meta:
        model = Explanation

    screening = factory.SubFactory(ScreeningFactory, scored_flagged=True)
    site = factory.SelfAttribute("screening.site")
    model_version = factory.SelfAttribute("screening.model_version")
    label = "covid"
    rank = factory.Sequence(float)

    class Params:
        drawn = factory.Trait(
            state=ExplanationState.DRAWN,
            key="c" * 64,
            method="grad-cam-1",
            field="field-1",
            outside=0.25,
            done_at=factory.LazyFunction(timezone.now),
        )
        abandoned = factory.Trait(
            state=ExplanationState.LEASED,
            lease_token=factory.LazyFunction(uuid4),
            lease_until=factory.LazyFunction(lambda: timezone.now() - timedelta(seconds=5)),
        )
