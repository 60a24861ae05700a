/** A place to drop files on, with buttons that open the file and the folder picker. */

import { fromDrop, fromInput } from "./files.js";

/** Call `onFiles` for each drop or choice, with a promise of the entries: walking a dropped folder takes its time. */
export function watchZone(zone, onFiles) {
  let depth = 0; // dragenter and dragleave fire for children too
  const over = (change) => {
    depth = Math.max(0, depth + change);
    zone.classList.toggle("is-over", depth > 0);
  };
  zone.addEventListener("dragenter", (event) => { event.preventDefault(); over(1); });
  zone.addEventListener("dragleave", () => over(-1));
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    over(-depth);
    onFiles(fromDrop(event.dataTransfer));
  });
  for (const input of zone.querySelectorAll("input[type=file]")) {
    const take = () => {
      const entries = fromInput(input.files);
      input.value = ""; // the same folder may be chosen again
      if (entries.length) onFiles(Promise.resolve(entries));
    };
    input.addEventListener("change", take);
    take(); // what was chosen before this script was here
  }
  for (const button of zone.querySelectorAll("[data-picks]")) {
    button.addEventListener("click", () => zone.querySelector(`#${button.dataset.picks}`).click());
  }
}

/** A file that misses its zone would replace the page, and the upload with it. */
export function guardPage() {
  for (const kind of ["dragover", "drop"]) {
    window.addEventListener(kind, (event) => event.preventDefault());
  }
}
