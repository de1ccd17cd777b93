// The calendar itself: a treegrid of which only the rows in sight are in the document.
// https://www.w3.org/WAI/ARIA/apg/patterns/treegrid/

const ROW = 28;
const SPARE = 10;
/** On paper everything that is open is printed, up to so many rows. */
const MOST_PRINTED = 3000;

class Grid {
  constructor(data) {
    this.data = data;
    this.rows = [];
    this.made = new Map();
    this.at = { row: 0, column: 0 };
    this.body = element("div", { role: "rowgroup", class: "body" });
    this.empty = element("p", { class: "empty" });
    this.said = element("p", { class: "said", "aria-hidden": "true" }, "Point at a day, or go there with the arrow keys, and it is explained here.");
    this.grid = element("div", {
      role: "treegrid", class: "grid", "aria-labelledby": "calendar-title", "aria-describedby": "keys", "aria-colcount": data.days.length + 2,
      onkeydown: (event) => this.key(event), onclick: (event) => this.click(event), onscroll: () => this.scrolled(),
      onfocusin: (event) => this.focused(event.target), onmouseover: (event) => this.describe(event.target),
    }, this.heads(), this.body);
    this.grid.style.setProperty("--days", data.days.length);
    addEventListener("resize", () => this.draw());
    addEventListener("beforeprint", () => this.drawAll());
    addEventListener("afterprint", () => this.show(this.rows));
  }

  elements() {
    const keys = element("p", { id: "keys", class: "keys" },
      "Keys: arrows move, Enter opens and closes a group, Home and End go along a row, with Ctrl to the first and last, / searches.");
    return [this.grid, this.empty, this.said, keys];
  }

  /** The newest day is the last, and the one that is wanted first. */
  toToday() {
    this.grid.scrollLeft = this.grid.scrollWidth;
  }

  heads() {
    const days = this.data.days.map((day, index) => {
      const month = index === 0 || day.endsWith("-01") ? monthAlone(day) : "";
      const isToday = index === this.data.days.length - 1;
      return element("div", { role: "columnheader", "aria-colindex": index + 3, "aria-label": isToday ? "today" : dayInFull(day), class: dayClass(day, isToday) },
        element("span", { "aria-hidden": "true" }, month), element("span", { "aria-hidden": "true" }, dayAlone(day)));
    });
    return element("div", { role: "rowgroup", class: "heads" },
      element("div", { role: "row", class: "row", "aria-rowindex": 1 },
        element("div", { role: "columnheader", class: "name", "aria-colindex": 1 }, "Volume"),
        element("div", { role: "columnheader", class: "now", "aria-colindex": 2 }, "Now"), days));
  }

  /** Shows other rows; where the focus was stays the focus as far as it can. */
  show(rows) {
    this.rows = rows;
    this.made.forEach((made) => made.remove());
    this.made.clear();
    this.at.row = Math.max(0, Math.min(this.at.row, rows.length - 1));
    this.grid.setAttribute("aria-rowcount", rows.length + 1);
    this.grid.hidden = rows.length === 0;
    this.body.style.height = `${rows.length * ROW}px`;
    this.draw();
  }

  scrolled() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const first = Math.max(0, Math.floor(this.grid.scrollTop / ROW) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((this.grid.scrollTop + this.grid.clientHeight) / ROW) + SPARE);
    // The row that has the focus stays, even out of sight: else the focus would be nowhere.
    this.place(this.rows.filter((row) => (row.index >= first && row.index < last) || row.index === this.at.row));
  }

  /** On paper there is no scrolling. */
  drawAll() {
    this.place(this.rows.slice(0, MOST_PRINTED));
    this.said.textContent = this.rows.length > MOST_PRINTED ? `… and ${number(this.rows.length - MOST_PRINTED)} more rows` : "";
  }

  /** Brings exactly these rows into the document, in their order, and leaves alone what is there. */
  place(wanted) {
    const keep = new Set(wanted.map((row) => row.index));
    for (const [index, made] of this.made) {
      if (!keep.has(index)) {
        made.remove();
        this.made.delete(index);
      }
    }
    let next = this.body.firstElementChild;
    for (const row of wanted) {
      const made = this.made.get(row.index);
      if (made) next = made.nextElementSibling;
      else this.made.set(row.index, this.body.insertBefore(this.row(row), next));
    }
    this.mark();
  }

  row(row) {
    const isGroup = Boolean(row.children);
    const cells = isGroup ? groupCells(row, this.data) : volumeCells(row, this.data);
    const made = element("div", {
      role: "row", class: `row level-${row.level} ${isGroup ? "group" : "leaf"}`, "aria-rowindex": row.index + 2, "aria-level": row.level,
      "aria-posinset": row.position, "aria-setsize": row.siblings, "aria-expanded": isGroup ? String(row.of.isOpen) : null, "data-index": row.index,
    }, cells);
    made.style.top = `${row.index * ROW}px`;
    return made;
  }

  /** Exactly one cell is in the order of Tab. */
  mark() {
    this.grid.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    this.cell(this.at)?.setAttribute("tabindex", "0");
  }

  cell({ row, column }) {
    return this.made.get(row)?.children[column];
  }

  go(row, column) {
    this.at = { row: Math.max(0, Math.min(row, this.rows.length - 1)), column: Math.max(0, Math.min(column, this.data.days.length + 1)) };
    const top = this.at.row * ROW;
    const room = this.grid.clientHeight - this.grid.firstElementChild.offsetHeight;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    if (top + ROW > this.grid.scrollTop + room) this.grid.scrollTop = top + ROW - room;
    this.draw();
    this.cell(this.at)?.focus();
  }

  key(event) {
    const { row, column } = this.at;
    const here = this.rows[row];
    const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW) - 3);
    const isGroup = Boolean(here?.children);
    const moves = {
      ArrowDown: () => this.go(row + 1, column),
      ArrowUp: () => this.go(row - 1, column),
      PageDown: () => this.go(row + page, column),
      PageUp: () => this.go(row - page, column),
      Home: () => this.go(event.ctrlKey ? 0 : row, event.ctrlKey ? column : 0),
      End: () => this.go(event.ctrlKey ? this.rows.length - 1 : row, event.ctrlKey ? column : Infinity),
      ArrowRight: () => (isGroup && column === 0 && !here.of.isOpen ? this.toggle(here) : this.go(row, column + 1)),
      ArrowLeft: () => this.left(here, row, column),
      Enter: () => isGroup && this.toggle(here),
      " ": () => isGroup && this.toggle(here),
    };
    if (!here || !moves[event.key] || event.altKey || event.metaKey) return;
    event.preventDefault();
    moves[event.key]();
  }

  left(here, row, column) {
    if (column > 0) this.go(row, column - 1);
    else if (here.children && here.of.isOpen) this.toggle(here);
    else if (here.parent) this.go(here.parent.index, 0);
  }

  toggle(row) {
    row.of.isOpen = !row.of.isOpen;
    this.changed();
    this.go(row.index, this.at.column);
  }

  click(event) {
    const made = event.target.closest("[data-index]");
    const row = made && this.rows[Number(made.dataset.index)];
    if (!row) return;
    const column = [...made.children].indexOf(event.target.closest("[role$=cell], [role=rowheader]"));
    this.at = { row: row.index, column: Math.max(0, column) };
    if (row.children && column === 0) this.toggle(row);
    else this.go(row.index, column);
  }

  focused(target) {
    const made = target.closest("[data-index]");
    if (!made) return;
    this.at = { row: Number(made.dataset.index), column: [...made.children].indexOf(target) };
    this.mark();
    this.describe(target);
  }

  /** What is under the focus or the mouse, in full, below the grid. */
  describe(target) {
    const made = target.closest?.("[data-index]");
    const row = made && this.rows[Number(made.dataset.index)];
    const column = made ? [...made.children].indexOf(target.closest("[role]")) : -1;
    if (row && column >= 0) this.said.replaceChildren(...told(row, column - 2, this.data));
  }
}

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
