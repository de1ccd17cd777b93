// The top of the page: is everything covered, and if not, how much is not.

function when(data) {
  const places = new Set(data.places.map((place) => place.region));
  const accounts = new Set(data.places.map((place) => place.account));
  return [
    element("time", { datetime: data.at }, `${dayInFull(data.at.slice(0, 10))}, ${data.at.slice(11, 16)} UTC`),
    ` · ${counted(data.policies.length, "policy", "policies")} · ${counted(accounts.size, "account")} · ${counted(places.size, "Region")}`,
  ];
}

/** How many of the rows have which verdict today. */
function today(groups) {
  const counts = Object.fromEntries(ORDER.map((letter) => [letter, 0]));
  for (const group of groups) for (const volume of group.volumes) counts[volume.days.at(-1)] += 1;
  return counts;
}

function coverage(data, show) {
  if (data.policies.length === 0) {
    return [notice("No policy was given, so nobody has said which volumes should be covered. Name the policies: snapkeep report --file daily.json"), ...notes(data)];
  }
  const counts = today(data.groups);
  const of = (is) => ORDER.filter(is).reduce((sum, letter) => sum + counts[letter], 0);
  const [covered, uncovered] = [of(isCovered), of(isUncovered)];
  const known = covered + uncovered;
  return [
    element("div", { class: "headline" },
      element("p", { class: "figure" }, known === 0 ? "–" : percent(covered, known)),
      element("div", {}, element("p", { class: "verdict" }, sentence(known, uncovered)), element("p", {}, inWords(data, covered, known)))),
    known + counts.w + counts.x === 0 ? null : bar(counts, show),
    ...notes(data),
    policies(data),
  ];
}

function sentence(known, uncovered) {
  if (known === 0) return "No volume is known to be covered";
  if (uncovered === 0) return "Every volume that was read is covered";
  return element("strong", { class: "bad" }, `${counted(uncovered, "volume is", "volumes are")} not covered`);
}

function inWords(data, covered, known) {
  const twice = data.policies.length > 1 ? " A volume counts once for each policy that selects it." : "";
  return `${number(covered)} of ${number(known)} have a snapshot, completed or on its way, that is no older than the policy's RPO.${twice}`;
}

/** All volumes as one bar; its legend is at the same time the quickest filter. */
function bar(counts, show) {
  const there = ORDER.filter((letter) => counts[letter] > 0 && letter !== "x");
  const parts = there.map((letter) => {
    const part = element("span", { class: `v-${name(letter)}` });
    part.style.flexGrow = counts[letter];
    return part;
  });
  const button = (letter) =>
    element("button", { type: "button", "aria-label": `Show ${counted(counts[letter], "volume")}: ${VERDICTS[letter].word}`, onclick: () => show(letter) },
      swatch(letter), `${VERDICTS[letter].word} `, element("b", {}, number(counts[letter])));
  return element("div", {},
    element("div", { class: "bar", "aria-hidden": "true" }, parts),
    element("div", { class: "chips" }, ORDER.filter((letter) => counts[letter] > 0).map(button)));
}

function notice(text, isBad = false) {
  return element("p", { class: isBad ? "notice bad" : "notice" }, text);
}

function notes(data) {
  const unknown = data.places.filter((place) => place.error).map((place) =>
    notice([element("strong", {}, `Unknown: ${place.region} in account ${place.account} could not be read whole. `), foreign(place.error)], true));
  const most = data.policies.length > 1 ? "At most " : "";
  const unselected = data.unselected > 0
    ? [notice(`${most}${counted(data.unselected, "volume is", "volumes are")} selected by none of these policies. See which: snapkeep coverage`)] : [];
  return [...unknown, ...data.notes.map((note) => notice(foreign(note))), ...unselected].flat();
}

function policies(data) {
  const rows = data.policies.map((policy, index) => {
    const groups = data.groups.filter((group) => group.policy === index);
    const counts = today(groups);
    const covered = counts.f + counts.p;
    const uncovered = counts.s + counts.n + counts.e;
    const known = covered + uncovered;
    return [
      foreign(policy.name), number(known + counts.w), known === 0 ? "–" : percent(covered, known),
      uncovered === 0 ? "0" : element("strong", { class: "bad" }, number(uncovered)),
      number(counts.x), policy.oldest ?? "–", policy.rpo, foreign(policy.retain),
    ];
  });
  const heads = [["Policy"], ["Volumes", true], ["Covered", true], ["Uncovered", true], ["Excluded", true], ["Oldest backup", true], ["RPO", true], ["Keeps"]];
  return dataTable("Coverage by policy", heads, rows);
}
