// Elements and words. Text goes in as text and in no other way: what a tag says is never read as HTML.

/** An element with attributes, listeners (`onclick`) and children; text is text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

function fill(id, ...children) {
  document.getElementById(id).replaceChildren(...children.flat(Infinity).filter(Boolean));
}

/** A name that somebody else has chosen, which must not turn round what stands beside it. */
function foreign(text, attributes = {}) {
  return element("bdi", attributes, text);
}

const wholeNumbers = new Intl.NumberFormat("en-GB");

function number(value) {
  return wholeNumbers.format(value);
}

function counted(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** Never rounded up: 100 % is all of them. */
function percent(part, whole) {
  const tenths = Math.floor((part * 1000) / whole);
  return tenths === 1000 ? "100 %" : `${(tenths / 10).toFixed(1)} %`;
}

/** In a cell for three digits: 999, 1k, 12k. */
function short(value) {
  return value < 1000 ? String(value) : `${Math.floor(value / 1000)}k`;
}

function formatter(options) {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
  return (day) => format.format(new Date(`${day}T00:00:00Z`));
}

const dayInFull = formatter({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
const dayAndMonth = formatter({ day: "numeric", month: "short" });
const dayAlone = formatter({ day: "numeric" });
const monthAlone = formatter({ month: "short" });
const isMonday = (day) => new Date(`${day}T00:00:00Z`).getUTCDay() === 1;

/** A table with real heads; `columns` are `[head, isNumber]`, and the first column heads its row. */
function dataTable(caption, columns, rows) {
  const cell = (content, index) =>
    element(index === 0 ? "th" : "td", { scope: index === 0 ? "row" : null, class: columns[index][1] ? "number" : null }, content);
  const heads = columns.map(([head, isNumber]) => element("th", { scope: "col", class: isNumber ? "number" : null }, head));
  return element("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {},
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, heads)),
      element("tbody", {}, rows.map((row) => element("tr", {}, row.map(cell))))));
}
