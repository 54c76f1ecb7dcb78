
"use strict";
(() => {
  const form = document.querySelector(".filters");
  const [search, source, state] = ["search", "source", "state"].map((id) => document.getElementById(id));
  const said = document.getElementById("matches");
  const rows = [...document.querySelectorAll("tbody tr")];
  const texts = new Map(rows.map((row) => [row, (row.textContent + " " + row.dataset.also).toLowerCase()]));

  const counted = (text, shown, all) => text.replace("{shown}", shown).replace("{all}", all);

  // A row is shown that has every word, and the chosen source and state.
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const filtered = words.length > 0 || source.value !== "" || state.value !== "";
    let shown = 0, cut = false;
    for (const row of rows) {
      const fits = (wanted, has) => wanted === "" || wanted === has;
      const match = words.every((word) => texts.get(row).includes(word))
        && fits(source.value, row.dataset.source) && fits(state.value, row.dataset.state);
      row.hidden = !match;
      shown += match ? 1 : 0;
    }
    for (const section of document.querySelectorAll("main section")) {
      const all = section.querySelectorAll("tbody tr").length;
      const count = section.querySelector(".count");
      if (!count || all === 0) continue;
      count.dataset.all ??= count.textContent;
      const here = section.querySelectorAll("tbody tr:not([hidden])").length;
      // A list that is cut keeps saying so: a search without a match proves nothing then.
      const whole = count.dataset.all === String(all);
      cut ||= !whole;
      const now = counted(form.dataset.shown, here, all) + (whole ? "" : ` (${count.dataset.all})`);
      count.textContent = filtered ? now : count.dataset.all;
    }
    said.textContent = filtered ? counted(form.dataset.match, shown, rows.length) + (cut ? " " + form.dataset.cut : "") : "";
  };

  const order = new Intl.Collator(document.documentElement.lang, { numeric: true });
  const key = (row, column) => row.cells[column].dataset.key ?? row.cells[column].textContent;
  const sort = (header) => {
    const up = header.getAttribute("aria-sort") !== "ascending";
    for (const other of header.parentElement.children) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = header.closest("table").tBodies[0];
    const sorted = [...body.rows].sort((a, b) => order.compare(key(a, header.cellIndex), key(b, header.cellIndex)));
    body.append(...(up ? sorted : sorted.reverse()));
  };

  for (const header of document.querySelectorAll("th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => sort(header));
    header.replaceChildren(button);
  }
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
})();
