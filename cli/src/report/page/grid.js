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
