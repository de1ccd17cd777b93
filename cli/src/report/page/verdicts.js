// What a volume's day can be. Each verdict has a glyph, so that nobody needs the colours.

const VERDICTS = {
  f: { word: "fresh", glyph: "•", means: "a completed snapshot, begun no longer before the end of the day than the policy's RPO" },
  p: { word: "pending", glyph: "…", means: "a snapshot within the RPO was begun, and is not completed yet" },
  w: { word: "new", glyph: "+", means: "there is no snapshot, and no run of the policy has had a chance to take one" },
  s: { word: "stale", glyph: "!", means: "the newest completed snapshot is older than the RPO", isUncovered: true },
  n: { word: "never", glyph: "∅", means: "no completed snapshot at all", isUncovered: true },
  e: { word: "failed", glyph: "×", means: "the newest snapshot ended in error, and no other is within the RPO", isUncovered: true },
  u: { word: "unknown", glyph: "?", means: "this account and Region could not be read whole" },
  g: { word: "not known any more", glyph: "·", means: "nothing is left of that day, and by its rule nothing would be: what was there has been pruned since, if anything was" },
  ".": { word: "not there yet", glyph: "", means: "the volume did not exist" },
  x: { word: "excluded", glyph: "–", means: "matches the policy, and is left out on purpose" },
};

/** In the order of a person's interest. */
const ORDER = ["f", "p", "w", "s", "n", "e", "x"];

const isUncovered = (letter) => VERDICTS[letter].isUncovered === true;
const isCovered = (letter) => letter === "f" || letter === "p";

/** A small square as in the calendar. It is explained by the word beside it. */
function swatch(letter) {
  return element("span", { class: `cell v-${name(letter)}`, "aria-hidden": "true" }, VERDICTS[letter].glyph);
}

/** For CSS. */
function name(letter) {
  return { ".": "none" }[letter] ?? letter;
}

function legend({ zone }) {
  const entry = ([letter, { word, means }]) => element("div", {}, element("dt", {}, swatch(letter), word), element("dd", {}, means));
  const details = element("details", { class: "legend" },
    element("summary", {}, "What the marks mean, and what EC2 cannot tell"),
    element("dl", {}, Object.entries(VERDICTS).map(entry)),
    element("p", {}, "In the row of a group, a number says how many of its volumes were uncovered at the end of that day: stale, never or failed. ",
      `A day ends at midnight in ${zone}; today is as of now.`),
    element("p", {}, "EC2 has no history. A day is judged by the snapshots that are still there; where none is, it is called stale or never only if one of that day would still be kept by the ",
      "rules that the volume's snapshots bear. What was selected is what is selected today: EC2 does not say which tags a volume or an instance had then."));
  // On paper nobody can open it.
  addEventListener("beforeprint", () => { details.open = true; });
  return details;
}
