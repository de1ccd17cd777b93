// Puts the page together from the data that is in it.

const data = JSON.parse(document.getElementById("data").textContent);

/** So few volumes are shown at once; of more, the groups. */
const MOST_OPEN = 60;

const nodes = tree(data);
const grid = new Grid(data);
const filters = new Filters(data, () => narrow());
const all = data.groups.reduce((sum, group) => sum + group.volumes.length, 0);
let shown = [];

/** After another filter: few results lie open, many are closed again. */
function narrow() {
  shown = narrowed(nodes, filters.value(), data.days.length);
  const leaves = shown.reduce((sum, one) => sum + one.leaves, 0);
  setOpen(nodes, true, leaves <= MOST_OPEN ? Infinity : 1);
  filters.say(leaves, all);
  grid.empty.textContent = shown.length > 0 ? "" : all === 0 ? "The policies select no volume." : "No volume is like that.";
  grid.changed();
}

function openAll(isOpen) {
  setOpen(nodes, isOpen);
  grid.changed();
}

grid.changed = () => grid.show(rows(shown));

fill("when", when(data));
fill("coverage", ...coverage(data, (letter) => {
  filters.clear();
  filters.verdict.value = letter;
  narrow();
  document.getElementById("calendar").focus();
  document.getElementById("calendar").scrollIntoView();
}));
if (data.groups.length > 0) {
  fill("filters", ...filters.elements({ open: () => openAll(true), close: () => openAll(false) }));
  fill("grid", ...grid.elements());
  fill("legend", legend(data));
} else {
  fill("grid", element("p", {}, "There is no volume to show."));
}
fill("letters", ...letters(data.letters));
fill("retained", ...retained(data.retained));
fill("deletions", ...deletions(data.deletions));
fill("footer", element("p", {}, `Made by snapkeep ${data.version} from what EC2 and SQS said at that time. This file loads nothing, and sends nothing.`));
narrow();
grid.toToday();
performance.mark("shown");
