"""What `emoasr.eval` prints."""

from collections.abc import Mapping
from typing import Any

from emoasr.report import content, tables
from emoasr.system import output

_REASONS_PRINTED = 8


def summary(results: Mapping[str, Any]) -> str:
    """The counts, the losses, the main table, and what ablations found, as lines of text.

    Args:
        results: what `eval/results.json` holds.
    """
    rows, paper = results["rows"], results["provenance"]["paper"]
    lines = [*_counts(results), *(f"note: {note}" for note in results["notes"])]
    if rated := tables.of_ratings(rows):
        clipped = tables.main(rated, "clipped_").to_string(index=False)
        lines += ["", "Clipped to the rating scale, with 95 % intervals by speaker", clipped]
        lines += ["", "As predicted, not clipped", tables.as_text(tables.paper_table(rated))]
        if paper:
            beside = tables.beside_the_paper(rated, paper)
            lines += ["", "Compared with the paper", beside.to_string(index=False)]
    if classified := tables.of_classes(rows):
        table = tables.classes(classified).to_string(index=False)
        lines += ["", "Classes, with 95 % intervals by speaker", table]
    lines.append("")
    return "\n".join([*lines, *_ablations(results["battery"])])


def _counts(results: Mapping[str, Any]) -> list[str]:
    provenance, skipped = results["provenance"], results["skipped"]
    corpus = provenance["corpus"]
    synthetic = " (SYNTHETIC: made by a program)" if corpus["synthetic"] else ""
    lines = [
        f"{corpus['name']}{synthetic}: {provenance['found']} found, {provenance['used']} extracted"
    ]
    for row in {row["target"]: row for row in results["rows"]}.values():
        lines.append(
            f"{row['target']}: {output.counted(row['n_utterances'], 'utterance')}, "
            f"{row['protocol']}, {output.counted(row['n_folds'], 'fold')}"
        )
    lines.append(f"skipped: {content.left_out(skipped)}")
    reasons = content.reasons(skipped)
    for reason, count in reasons[:_REASONS_PRINTED]:
        files = [s["file"] for s in skipped if content.reason(s) == reason]
        lines.append(f"  {count} x {reason}{output.few(files)}")
    if reasons[_REASONS_PRINTED:]:
        lines.append(
            f"  and {output.counted(len(reasons) - _REASONS_PRINTED, 'more reason')}, in the report"
        )
    return lines


def _ablations(battery: Mapping[str, Any] | None) -> list[str]:
    """Their conclusions in a word; the metrics are in the report."""
    if battery is None:
        return []
    verdicts = [f"layers: {trend['verdict']}" for trend in battery["trend"]]
    verdicts += [f"speakers: {said}" for said in content.differing(battery["speakers"])]
    return [*verdicts, *(f"not done: {why}" for why in battery["omitted"]), ""]
