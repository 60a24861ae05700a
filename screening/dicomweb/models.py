"""Who may send by C-STORE, and what is told of kept objects without opening their files."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils import timezone

from screening.studies.models import Image, Study
from screening.users.models import Site


class DicomSender(models.Model):
    """An application entity that may send: by its title and from where, for one site and in the name of one user."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="dicom_senders")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="dicom_senders",
        help_text="In whose name uploads are opened.",
    )
    ae_title = models.CharField(max_length=16, unique=True, help_text="Names one sender of one site.")
    network = models.CharField(max_length=43, help_text="An address, or a network such as 10.1.2.0/24.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("ae_title",)

    def __str__(self) -> str:
        return str(self.pk)


class DicomHeader(models.Model):
    """What is told of one kept object without opening its file: by a worker, some seconds after ingest.

    Everything in it is de-identified, as the object is. It can be made again from the object at any time.
    """

    image = models.OneToOneField(
        Image, on_delete=models.CASCADE, primary_key=True, related_name="dicom_header", help_text="Its first frame."
    )
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="dicom_headers")
    study_uid = models.CharField(max_length=64)
    series_uid = models.CharField(max_length=64)
    instance_uid = models.CharField(max_length=64)
    sop_class = models.CharField(max_length=64)
    transfer_syntax = models.CharField(max_length=64)
    modality = models.CharField(max_length=16)
    study_date = models.DateField(null=True, help_text="Shifted, as in the object.")
    metadata = models.BinaryField(help_text="The object but for its pixels in the DICOM JSON model, deflated.")

    class Meta:
        indexes = [
            models.Index(fields=["site", "study_uid", "series_uid", "instance_uid"], name="headers_in_order"),
            models.Index(fields=["site", "study_date"], name="headers_by_date"),
            models.Index(fields=["site", "instance_uid"], name="headers_by_instance"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Catalogued(models.Model):
    """Up to which change of a site every kept object has its header."""

    site = models.OneToOneField(Site, on_delete=models.CASCADE, primary_key=True, related_name="catalogued")
    number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.site_id}: {self.number}"
