"""One page of HTML with everything about one reading: it opens from a disk, without network or script."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from ml.evaluation import plots

STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    ".warning{border:2px solid #a33;padding:.6rem 1rem;font-weight:600}.plots{display:flex;flex-wrap:wrap;gap:1rem}"
    "figure{margin:0}figcaption{font-weight:600}table{border-collapse:collapse}"
    "td,th{padding:.15rem .8rem .15rem 0;text-align:left;border-bottom:1px solid #ddd}"
    "td.number{text-align:right;font-variant-numeric:tabular-nums}code{overflow-wrap:anywhere}"
)
# Sections of the figures in the order in which they are read; what is plotted or listed elsewhere is left out.
SECTIONS: Final = {
    "by_label": "Each label, the highest score being the answer",
    "auc": "AUC, each label against the rest",
    "average_precision": "Area under the precision-recall curve",
    "operating_points": "At the operating points",
    "sources": "Each source",
    "views": "Each view",
    "sublabels": "Each sublabel",
    "false_flags": "False flags",
}
ALREADY: Final = ("calibration", "confusion", *SECTIONS)


def page_of(document: Mapping[str, Any]) -> str:
    """Lay out the document of `report_document` as one self-contained page."""
    figures = document["figures"]
    rest = {key: value for key, value in figures.items() if key not in ALREADY}
    parts = [
        _head(document),
        _list("Limits: read these before any figure", document["limits"]),
        _plots(document),
        _table("All pictures", rest),
        *(_table(title, figures[key]) for key, title in SECTIONS.items() if figures.get(key)),
        _table("Calibration", {name: {"brier": one["brier"]} for name, one in figures["calibration"].items()}),
        _table("Trivial baselines: AUC without looking at lungs", document["trivial_baselines"]),
    ]
    if document.get("against"):
        parts.append(_table(f"Less {document['against']['model']}, paired by patient", document["against"]))
    title = escape(f"{document['model']} on {document['split']}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}"
        f'<p class="warning">{escape(document["disclaimer"])}</p></body></html>\n'
    )


def leaves(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every figure in a nest of dictionaries, intervals beside their values."""
    if isinstance(document, Mapping) and "value" in document:
        yield " / ".join(path), _with_interval(document)
    elif isinstance(document, Mapping):
        for key, value in document.items():
            yield from leaves(value, (*path, str(key).replace("_", " ")))
    elif not isinstance(document, list | tuple) and document is not None:
        yield " / ".join(path), f"{document:.3f}" if isinstance(document, float) else str(document)


def _with_interval(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "cannot be told"
    interval = "" if figure.get("low") is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    count = f", n = {figure['n']}" if "n" in figure else ""
    return f"{figure['value']:.3f}{interval}{count}"


def _head(document: Mapping[str, Any]) -> str:
    return (
        f'<p class="warning">{escape(document["disclaimer"])}</p>'
        f"<h1>{escape(document['model'])} on {escape(document['split'])}</h1>"
        f"<p>SHA-256 <code>{escape(document['sha256'])}</code>. This split was read {document['readings']} time(s) "
        "with this model. Intervals are of 95 %: by bootstrap of patients, those with n exact by picture or patient "
        "(Clopper-Pearson). A score is not a probability; not flagged is not normal.</p>"
    )


def _plots(document: Mapping[str, Any]) -> str:
    lines, figures = document["curves"], document["figures"]
    drawn = [
        plots.curves("ROC", "1 - specificity", "sensitivity", lines["roc"], diagonal=True),
        plots.curves("Precision and recall", "sensitivity", "precision", lines["precision_recall"]),
        plots.confusion("Confusion: true label by answer", figures["confusion"]),
    ]
    for name, one in figures["calibration"].items():
        drawn.append(plots.reliability(f"Calibration of {name}, bins of equal size", one["bins"]))
    for name, one in figures["false_flags"].items():
        counts = {f"without {name}": one["pictures_without"], f"with {name}": one["pictures_with"]}
        drawn.append(plots.histogram(f"Scores for {name}", counts, one["threshold"]))
    return f'<div class="plots">{"".join(drawn)}</div>'


def _table(title: str, document: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="number">{escape(text)}</td></tr>' for name, text in leaves(document)
    )
    return f"<h2>{escape(title)}</h2><table>{rows}</table>" if rows else ""


def _list(title: str, lines: Any) -> str:
    return f"<h2>{escape(title)}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
