// The calendar's cells: what is seen in them, what is read aloud, and what is told below the grid.

function dayClass(day, isToday) {
  return `day${isToday ? " today" : ""}${isMonday(day) ? " monday" : ""}`;
}

function groupCells(row, data) {
  const latest = row.sums.at(-1);
  const known = latest.covered + latest.uncovered;
  const now = row.of.error ? "unknown" : known === 0 ? "–" : percent(latest.covered, known);
  const who = [row.of.label, row.of.account].filter(Boolean).join(", account ");
  const label = [
    element("span", { class: "twist", "aria-hidden": "true" }), foreign(row.of.label),
    row.of.account ? element("small", { class: "account" }, element("span", {}, row.of.account.slice(0, -4)), row.of.account.slice(-4)) : null, element("small", { class: "leaves" }, number(row.leaves)),
  ];
  return [
    element("div", { role: "rowheader", class: "name", "aria-colindex": 1, tabindex: "-1", "aria-label": `${who}, ${counted(row.leaves, "volume")}` }, label),
    element("div", { role: "gridcell", class: `now ${latest.uncovered > 0 ? "bad" : ""}`, "aria-colindex": 2, tabindex: "-1" }, now),
    row.sums.map((sum, day) => {
      const [style, text] = groupDay(sum, row);
      return dayCell(`cell ${style}`, text, groupInWords(sum, row), day, data);
    }),
  ];
}

function groupDay(sum, row) {
  const known = sum.covered + sum.uncovered;
  if (sum.uncovered > 0) {
    const share = sum.uncovered / known;
    return [share > 0.2 ? "many" : share > 0.05 ? "some" : "few", short(sum.uncovered)];
  }
  if (row.of.error) return ["v-u", VERDICTS.u.glyph];
  return sum.covered > 0 ? ["v-f", VERDICTS.f.glyph] : ["v-g", VERDICTS.g.glyph];
}

function groupInWords(sum, row) {
  if (row.of.error) return VERDICTS.u.word;
  const known = sum.covered + sum.uncovered;
  if (known === 0) return "nothing is known";
  return sum.uncovered === 0 ? `all ${number(known)} covered` : `${number(sum.uncovered)} of ${number(known)} uncovered`;
}

function volumeCells(row, data) {
  const { volume, today } = row.of;
  const label = volume.name === "" ? [volume.id] : [foreign(volume.name), element("small", {}, volume.id)];
  return [
    element("div", { role: "rowheader", class: "name", "aria-colindex": 1, tabindex: "-1" }, element("span", {}, label)),
    element("div", { role: "gridcell", class: `now ${isUncovered(today) ? "bad" : ""}`, "aria-colindex": 2, tabindex: "-1" }, volume.now),
    Array.from(volume.days, (letter, day) => dayCell(`cell v-${name(letter)}`, VERDICTS[letter].glyph, VERDICTS[letter].word, day, data)),
  ];
}

function dayCell(style, text, words, day, data) {
  const isToday = day === data.days.length - 1;
  const label = `${isToday ? "today" : dayAndMonth(data.days[day])}: ${words}`;
  return element("div", { role: "gridcell", class: dayClass(data.days[day], isToday), "aria-colindex": day + 3, "aria-label": label, tabindex: "-1" },
    element("span", { class: style }, text));
}

function told(row, day, data) {
  const on = day < 0 ? null : element("b", {}, day === data.days.length - 1 ? "Today" : dayInFull(data.days[day]), ": ");
  if (row.children) {
    const words = row.of.error ? foreign(row.of.error) : groupInWords(row.sums.at(Math.max(day, -1)), row);
    const who = [row.of.label, row.of.account].filter(Boolean).flatMap((part) => [foreign(part), " · "]);
    return [...who, on, words].filter(Boolean);
  }
  const { volume, policy, place } = row.of;
  const letter = volume.days.at(Math.max(day, -1));
  const words = day < 0 || day === data.days.length - 1 ? foreign(volume.why) : `${VERDICTS[letter].word}: ${VERDICTS[letter].means}`;
  const who = [volume.name, volume.id, volume.instance].filter((part) => part !== "").flatMap((part) => [foreign(part), " · "]);
  return [...who, foreign(policy.name), ` · ${place.region} · ${place.account} · `, on, words].filter(Boolean);
}
