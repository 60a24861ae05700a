from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent
from screening.dicomweb.models import DicomSender
from screening.dicomweb.senders import add_sender, sender_for
from screening.errors import InvalidSender
from screening.users.models import Membership, Role

OPERATOR = Actor.service("test")


def added(ward, ae_title: str = "CR_ROOM_1", network: str = "10.1.2.0/24", user=None) -> DicomSender:
    return add_sender(site=ward.site, user=user or ward.integrator, ae_title=ae_title, network=network, actor=OPERATOR)


@pytest.mark.parametrize(
    ("title", "address", "known"),
    [
        ("CR_ROOM_1", "10.1.2.77", True),
        ("CR_ROOM_1  ", "10.1.2.77", True),  # titles come padded
        ("CR_ROOM_1", "::ffff:10.1.2.77", True),  # of a socket that takes both kinds of address
        ("CR_ROOM_1", "10.1.3.77", False),
        ("CR_ROOM_1", "no address", False),
        ("cr_room_1", "10.1.2.77", False),
        ("ANOTHER", "10.1.2.77", False),
    ],
)
def test_a_sender_is_known_by_its_title_and_its_network_together(ward, title, address, known):
    sender = added(ward)

    assert sender_for(title, address) == (sender if known else None)


def test_a_sender_whose_user_may_no_longer_upload_may_no_longer_send(ward):
    added(ward)
    Membership.objects.filter(user=ward.integrator).update(role=Role.REVIEWER)

    assert sender_for("CR_ROOM_1", "10.1.2.77") is None


@pytest.mark.parametrize(
    ("title", "network"),
    [("", "10.0.0.1"), ("SEVENTEEN_LETTERS", "10.0.0.1"), ("A\\B", "10.0.0.1"), ("Ä", "10.0.0.1"), ("CR", "10.0.0")],
)
def test_a_title_or_network_that_is_none_is_refused(ward, title, network):
    with pytest.raises(InvalidSender):
        added(ward, title, network)

    assert not DicomSender.objects.exists()
    assert not AuditEvent.objects.filter(action="sender:added").exists()


def test_a_title_names_one_sender_and_a_reviewer_sends_nothing(ward):
    added(ward)

    with pytest.raises(InvalidSender, match="known already"):
        added(ward, network="10.9.9.9")
    with pytest.raises(InvalidSender, match="may not upload"):
        added(ward, "OTHER", user=ward.reviewer)
    assert DicomSender.objects.count() == AuditEvent.objects.filter(action="sender:added").count() == 1


def test_the_command_adds_lists_and_removes(ward):
    said = StringIO()
    names = ("--site", ward.site.name, "--user", ward.integrator.username)

    call_command("dicom_sender", "add", "CR_ROOM_1", "10.1.2.3", *names)
    call_command("dicom_sender", "list", stdout=said)
    call_command("dicom_sender", "remove", "CR_ROOM_1")

    assert said.getvalue() == f"CR_ROOM_1\t10.1.2.3/32\t{ward.site.name}\t{ward.integrator.username}\n"
    assert not DicomSender.objects.exists()
    actions = AuditEvent.objects.filter(action__startswith="sender:").order_by("seq").values_list("action", flat=True)
    assert list(actions) == ["sender:added", "sender:removed"]
    with pytest.raises(CommandError):
        call_command("dicom_sender", "remove", "CR_ROOM_1")
