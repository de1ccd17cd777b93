// Dead letters, what is retained, and what goes next.

function letters(found) {
  if (found.why) return [notice(foreign(found.why), found.failed)];
  if (found.causes.length === 0) return [element("p", {}, `${found.queue}: no dead letters. No job waits for a person.`)];
  const rows = found.causes.map((cause) => [
    [foreign(cause.code), element("small", {}, foreign(cause.message)), element("small", {}, foreign(cause.whereabouts))],
    number(cause.letters), number(cause.volumes), cause.oldest, cause.expires, cause.class,
  ]);
  const heads = [["Cause"], ["Letters", true], ["Volumes", true], ["Oldest", true], ["Expires in", true], ["Class"]];
  const all = found.causes.reduce((sum, cause) => sum + cause.letters, 0);
  return [
    element("p", {}, `${counted(all, "job")} of ${counted(found.causes.length, "cause")} in ${found.queue}. What to do about each: `, element("code", {}, "snapkeep dlq explain")),
    dataTable("Dead letters by cause", heads, rows), ...found.notes.map((note) => notice(foreign(note))),
  ];
}

function retained({ days, snapshots, gib, older, total, orphans }) {
  if (total.snapshots === 0) return [element("p", {}, "There is no snapshot of snapkeep's in these places.")];
  const before = older.snapshots > 0 ? `; ${number(older.snapshots)} with ${size(older.gib)} are older than these days` : "";
  const gone = orphans > 0 ? ` ${counted(orphans, "snapshot is", "snapshots are")} of volumes that are gone.` : "";
  return [
    element("p", {}, element("b", {}, counted(total.snapshots, "snapshot")), " of volumes that have ", element("b", {}, size(total.gib)), ` together${before}.${gone}`),
    element("div", { class: "charts" },
      bars("Snapshots that are still there, by the day they were begun", days, snapshots, number),
      bars("The same by the size of their volumes", days, gib, size)),
    element("p", { class: "small" }, "GiB are the sizes of the volumes, once for each snapshot. What AWS bills is less, because a snapshot holds only the blocks that changed; EC2 does not list it. ",
      "What has been deleted since is on no day."),
    asTable("Retained snapshots by day", ["Day", "Snapshots", "GiB of volumes"], days, [snapshots, gib]),
  ];
}

function deletions({ days, snapshots, gib, due, next, held }) {
  const all = snapshots.reduce((sum, count) => sum + count, 0);
  if (all + due.snapshots === 0) return [element("p", {}, "No rule lets a snapshot go in the coming days.")];
  const rows = next.map((one) => [one.snapshot, dayAndMonth(one.day), foreign(one.name), one.volume, foreign(one.policy), one.region]);
  const now = due.snapshots > 0 ? `${counted(due.snapshots, "snapshot")} (${size(due.gib)} of volumes) may go with the next prune. ` : "";
  const heads = [["Snapshot"], ["Goes"], ["Name"], ["Volume"], ["Policy"], ["Region"]];
  return [
    element("p", {}, now, `${number(all)} more go in the ${days.length} days after, if backups go on as the last few came.`),
    held > 0 ? element("p", {}, `${counted(held, "snapshot")} that no rule keeps cannot be deleted: in use by an image, locked, or archived. See which: snapkeep prune --dry-run`) : null,
    element("div", { class: "charts" }, bars("Snapshots that go, by day", days, snapshots, number), bars("The same by the size of their volumes", days, gib, size)),
    next.length === 0 ? null : element("details", {}, element("summary", {}, `The next ${number(next.length)}`), dataTable("The next deletions", heads, rows)),
    asTable("Deletions by day", ["Day", "Snapshots", "GiB of volumes"], days, [snapshots, gib]),
  ].filter(Boolean);
}

function size(gib) {
  return gib < 10_000 ? `${number(gib)} GiB` : `${number(Math.round(gib / 102.4) / 10)} TiB`;
}

/** So few bars have their figures on them. */
const MOST_LABELLED = 10;

/** A bar for each day, on a scale of round numbers. The figures are in the table below it. */
function bars(title, days, values, words) {
  const unit = words === size && Math.max(...values) >= 10_000 ? 1024 : 1;
  const top = roundUp(Math.max(...values, 1) / unit) * unit;
  const most = values.indexOf(Math.max(...values));
  const isLabelled = days.length <= MOST_LABELLED;
  const columns = values.map((value, index) => {
    const filled = element("span", { class: "filled" });
    filled.style.height = `${(value / top) * 100}%`;
    const figure = isLabelled ? element("span", { class: "figured" }, words(value)) : null;
    return element("span", { class: "column", title: `${dayAndMonth(days[index])}: ${words(value)}` }, figure, filled);
  });
  const label = `${title}. Most: ${words(values[most])} on ${dayInFull(days[most])}.`;
  return element("figure", {},
    element("figcaption", {}, title),
    element("div", { class: isLabelled ? "plot each" : "plot", role: "img", "aria-label": label },
      isLabelled ? null : [element("span", { class: "scale top" }, words(top)), element("span", { class: "scale half" }, words(top / 2))], columns),
    element("div", { class: isLabelled ? "ends each" : "ends", "aria-hidden": "true" }, (isLabelled ? days : [days[0], days.at(-1)]).map((day) => element("span", {}, dayAndMonth(day)))));
}

/** The next of 2, 4, 6, 8, 10, 20, 40 …, so that half of it is a whole number too. */
function roundUp(value) {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(value)));
  return [2, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value) ?? 20 * power;
}

function asTable(caption, heads, days, series) {
  const rows = days.map((day, index) => [dayInFull(day), ...series.map((values) => number(values[index]))]);
  return element("details", {}, element("summary", {}, "As a table"), dataTable(caption, heads.map((head, index) => [head, index > 0]), rows));
}
