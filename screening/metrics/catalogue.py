"""Every figure that /metrics tells: its name with its unit, what it means, and what its labels are.

All are gauges, measured when they are asked for: the web process, which answers, counts nothing of the work itself.
Labels hold lanes, model versions, outcomes and codes; never a site, a person or a patient.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

RATE_SECONDS: Final = 60  # what is said of the last minute
FAILURE_SECONDS: Final = 3600
FLAG_SECONDS: Final = 86_400
FLAG_SAMPLE: Final = 10_000  # newest results of a model version that its flag rate looks at, at most

ARCHIVES: Final = "archives"
INGEST: Final = "ingest"
SCREENING: Final = "screening"
HEAT_MAPS: Final = "heat_maps"
WEBHOOKS: Final = "webhooks"
LETTERS: Final = "letters"


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric family."""

    name: str
    says: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """One value of a figure, with its labels in the order of the catalogue."""

    name: str
    labels: tuple[str, ...]
    value: float


CATALOGUE: Final = (
    # What waits, and what is in hands.
    Figure("screening_queue_rows", "Rows that wait for a worker.", ("lane", "model")),
    Figure(
        "screening_queue_oldest_seconds",
        "Age of the oldest row that waits, since it was first asked for; 0 if none waits.",
        ("lane", "model"),
    ),
    Figure("screening_leased_rows", "Rows that workers hold under a lease.", ("lane",)),
    Figure("screening_expired_lease_rows", "Rows whose lease ran out and that nobody has brought back yet.", ("lane",)),
    Figure("screening_given_up_rows", "Webhooks and letters that were given up and can be sent again.", ("lane",)),
    Figure("screening_disabled_endpoint_rows", "Webhook endpoints that were switched off after days of failures."),
    Figure(
        "screening_reads_without_reader_rows",
        "Second reads and adjudications that wait, and that no member of their site may give.",
        ("stage",),
    ),
    Figure("screening_unfinished_uploads", "Uploads that are open or sealed.", ("state",)),
    # What came out.
    Figure(
        "screening_screened_pictures_per_second",
        f"Pictures brought to an outcome by a model, over the last {RATE_SECONDS} s.",
        ("model", "outcome"),
    ),
    Figure(
        "screening_batch_mean_pictures",
        f"Mean size of the batches of the last {RATE_SECONDS} s; none: no value.",
        ("model",),
    ),
    Figure("screening_batch_limit_pictures", "Pictures that a worker leases and commits together at most."),
    Figure("screening_batch_fill_ratio", "Mean batch size divided by the most that a batch holds, 0 to 1.", ("model",)),
    Figure(
        "screening_picture_device_seconds", f"Mean device time of a picture over the last {RATE_SECONDS} s.", ("model",)
    ),
    Figure(
        "screening_picture_load_seconds",
        f"Mean time to load the plane of a picture over the last {RATE_SECONDS} s.",
        ("model",),
    ),
    Figure(
        "screening_unsuccessful_rows",
        f"Rows that workers rejected, gave up or did not assess in the last {FAILURE_SECONDS} s, by outcome and code.",
        ("lane", "model", "outcome", "code"),
    ),
    Figure("screening_quarantined_pictures", "Pictures in quarantine: each ended a worker twice.", ("model",)),
    Figure(
        "screening_flagged_ratio",
        f"Share of flagged results among the scored ones of the last {FLAG_SECONDS} s, 0 to 1; none: no value.",
        ("model",),
    ),
    Figure(
        "screening_flagged_sample_pictures",
        f"Scored results that screening_flagged_ratio looks at: the newest, at most {FLAG_SAMPLE}.",
        ("model",),
    ),
    # The service itself.
    Figure("screening_ready", "1 if the database is migrated and guards the audit, as /readyz says; else 0."),
    Figure(
        "screening_process_beat_age_seconds",
        "Time since a process of this installation beat; only where beats lie below STATE_DIR.",
        ("process",),
    ),
    Figure("screening_state_free_bytes", "Room left on the file system of STATE_DIR."),
    Figure("screening_state_size_bytes", "Size of the file system of STATE_DIR."),
    Figure("screening_measuring_seconds", "How long it took to measure all of this."),
    Figure("screening_build_info", "Always 1; the labels say what runs.", ("version", "pipeline", "database")),
)
