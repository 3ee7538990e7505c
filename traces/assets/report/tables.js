// Tables that a click on a heading sorts, with a filter where rows are many.

const ROWS_AT_ONCE = 200;

/**
 * A table of `rows`.
 * columns: { title, cell(row), value(row) to sort by, number: aligned right, wide }
 * options: { filter(row): text to search in, pick(row): called for a click on a row, sort: [column, descending] }
 */
function sortableTable(columns, rows, options = {}) {
  let [sorted, descending] = options.sort ?? [null, false];
  let wanted = "";
  let limit = ROWS_AT_ONCE;
  const body = element("tbody");
  const told = element("span", { class: "told" });
  const more = element("button", { onclick: () => { limit *= 10; draw(); } }, "show more");
  const heads = columns.map((column, index) =>
    element("th", { class: column.number ? "number" : null, scope: "col" },
      column.value ? element("button", { onclick: () => sortBy(index) }, column.title) : column.title));

  function sortBy(index) {
    descending = sorted === index ? !descending : Boolean(columns[index].number);
    sorted = index;
    draw();
  }

  function ordered() {
    const found = wanted ? rows.filter((row) => options.filter(row).toLowerCase().includes(wanted)) : rows.slice();
    if (sorted === null) return found;
    const { value } = columns[sorted];
    const sign = descending ? -1 : 1;
    return found.sort((a, b) => sign * compared(value(a), value(b)));
  }

  function draw() {
    const found = ordered();
    heads.forEach((head, index) => {
      if (index === sorted) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    body.replaceChildren(...found.slice(0, limit).map(line));
    more.hidden = found.length <= limit;
    told.textContent = found.length > limit || wanted
      ? `${grouped(Math.min(limit, found.length))} of ${grouped(rows.length)} shown` : "";
  }

  function line(row) {
    const cells = columns.map((column) =>
      element("td", { class: [column.number && "number", column.wide && "wide", column.heat && "heat"].filter(Boolean).join(" ") || null },
        column.cell(row)));
    if (!options.pick) return element("tr", {}, cells);
    const choose = () => {
      body.querySelectorAll(".chosen").forEach((other) => other.classList.remove("chosen"));
      made.classList.add("chosen");
      options.pick(row);
    };
    const made = element("tr", { tabindex: 0, onclick: choose, onkeydown: (event) => { if (event.key === "Enter") choose(); } }, cells);
    return made;
  }

  const search = options.filter && rows.length > 12
    ? element("input", { type: "search", placeholder: "filter", "aria-label": "filter rows",
        oninput: (event) => { wanted = event.target.value.trim().toLowerCase(); draw(); } })
    : null;
  draw();
  return element("div", {},
    search || rows.length > ROWS_AT_ONCE ? element("div", { class: "tools" }, search, told, more) : null,
    element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, heads)), body)));
}

/** Order of two cells: numbers by size, names as people count (core[2] before core[10]), what is missing last. */
function compared(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
}
