"""What a page does where scripts run; without them all of it is there, and nothing moves.

Tables sort, films open large, the films of one cell of a matrix stand alone and page by page, and
a slider moves the operating point along the ROC curve.
"""

TABLES = """\
"use strict";
{
  const number = text => {
    const found = text.replaceAll(",", "").match(/[<>]?\\s*([-+\\u2212]?\\d+(\\.\\d+)?)/);
    return found ? Number(found[1].replace("\\u2212", "-")) : NaN;
  };
  const order = (one, other) => {
    const [a, b] = [number(one), number(other)];
    if (!Number.isNaN(a) && !Number.isNaN(b)) return a - b;
    return Number.isNaN(a) - Number.isNaN(b) || one.localeCompare(other);
  };
  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    if (!table.tHead || body.rows.length < 3) continue;
    for (const [place, cell] of [...table.tHead.rows[0].cells].entries()) {
      if (!cell.textContent.trim()) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") === "ascending";
        for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        const text = row => row.cells[place]?.textContent ?? "";
        const rows = [...body.rows].sort((one, other) => order(text(one), text(other)));
        body.append(...(down ? rows.reverse() : rows));
      });
    }
  }
  const large = document.createElement("dialog");
  large.setAttribute("aria-label", "The film, large");
  large.addEventListener("click", () => large.close());
  document.body.append(large);
  for (const film of document.querySelectorAll("figure.film img")) {
    const open = document.createElement("button");
    open.type = "button";
    open.className = "enlarge";
    open.setAttribute("aria-label", `${film.alt}: larger`);
    film.replaceWith(open);
    open.append(film);
    open.addEventListener("click", () => {
      const close = document.createElement("button");
      close.type = "button";
      close.textContent = "Close";
      large.replaceChildren(film.cloneNode(), close);
      large.showModal();
    });
  }
}
"""
FILMS = """\
{
  const PAGE = 24;
  const whole = document.querySelector(".cell-films");
  const cells = whole ? [...whole.children] : [];
  let shown = cells.filter(cell => cell.dataset.kind === "wrong");
  let first = 0;
  const button = (words, step) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = words;
    made.addEventListener("click", () => { first += step; show(); });
    return made;
  };
  const [back, on] = [button("Earlier", -PAGE), button("More", PAGE)];
  const where = document.createElement("output");
  const show = () => {
    const films = shown.flatMap(cell => [...cell.querySelectorAll("figure, li")]);
    for (const cell of cells) cell.hidden = true;
    for (const [place, film] of films.entries()) {
      film.hidden = place < first || place >= first + PAGE;
      if (!film.hidden) film.closest(".cell").hidden = false;
    }
    const last = Math.min(first + PAGE, films.length);
    where.textContent = `${first + 1} to ${last} of ${films.length} listed`;
    back.disabled = !first;
    on.disabled = last === films.length;
  };
  const choose = name => {
    const chosen = cells.filter(cell => cell.id === name);
    if (!chosen.length && name !== "all-mistakes") return;
    shown = chosen.length ? chosen : cells.filter(cell => cell.dataset.kind === "wrong");
    if (!shown.length) shown = cells;
    first = 0;
    show();
    for (const link of document.querySelectorAll(".cells a")) {
      const is_it = link.getAttribute("href") === `#${name}`;
      is_it ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    }
  };
  if (whole) {
    const pages = document.createElement("p");
    pages.className = "pages";
    pages.append(back, where, on);
    whole.after(pages);
    document.addEventListener("click", event => {
      const link = event.target.closest("a");
      if (link) choose((link.getAttribute("href") ?? "").slice(1));
    });
    choose("all-mistakes");
    choose(location.hash.slice(1));
  }
}
"""
SLIDER = """\
{
  const [SIDE, LEFT, TOP] = [240, 44, 12];
  const space = document.getElementById("operating");
  const tables = JSON.parse(space?.dataset.tables ?? "[]");
  const percent = (part, whole) => {
    if (!whole) return "–";
    const share = part / whole;
    if (share > 0 && share < 0.0005) return "<0.1\u202f%";
    if (share >= 0.9995 && share < 1) return ">99.9\u202f%";
    return `${(100 * share).toFixed(1)}\u202f%`;
  };
  const make = (tag, words, parent) => {
    const made = document.createElement(tag);
    made.textContent = words;
    parent.append(made);
    return made;
  };
  if (tables.length) {
    const part = selector => space.querySelector(selector);
    const which = make("select", "", make("label", "Yes to ", part(".chosen")));
    for (const [place, each] of tables.entries()) {
      make("option", each.label, which).value = place;
    }
    const slider = make("input", "", make("label", "Threshold ", part(".chosen")));
    slider.type = "range";
    const found = make("output", "", part(".chosen"));
    const show = () => {
      const {positives, negatives, rows, own, ends} = tables[which.value];
      const [threshold, hits, alarms] = rows[slider.value];
      const [left, yes] = [negatives - alarms, hits + alarms];
      const no = positives + negatives - yes;
      const shares = [["Sensitivity", hits, positives], ["Specificity", left, negatives],
        ["PPV", hits, yes], ["NPV", left, no]];
      found.replaceChildren();
      const is_own = Number(slider.value) === own;
      const from = `Yes from ${percent(threshold, 1)} on${is_own ? ", as it answers now" : ""}`;
      slider.setAttribute("aria-valuetext", from);
      make("strong", from, found);
      const list = make("dl", "", found);
      for (const [place, [name, one, of]] of shares.entries()) {
        const row = make("div", "", list);
        make("dt", name, row);
        const value = make("dd", percent(one, of), row);
        const note = is_own && ends[place] ? `; ${ends[place]}` : "";
        make("small", `${one.toLocaleString("en")} of ${of.toLocaleString("en")}${note}`, value);
      }
      make("p", `${hits} found, ${positives - hits} missed; ${alarms} false alarms, ` +
        `${left} rightly left alone.`, found);
      const dot = part(".point");
      dot.setAttribute("cx", LEFT + SIDE * alarms / negatives);
      dot.setAttribute("cy", TOP + SIDE * (1 - hits / positives));
    };
    const start = () => {
      const {positives, negatives, rows, own} = tables[which.value];
      const places = rows.map(([, hits, alarms]) =>
        `L${LEFT + SIDE * alarms / negatives} ${TOP + SIDE * (1 - hits / positives)}`);
      part(".curve").setAttribute("d", `M${LEFT} ${TOP + SIDE}${places.join("")}`);
      slider.max = rows.length - 1;
      slider.value = own;
      show();
    };
    which.addEventListener("change", start);
    slider.addEventListener("input", show);
    start();
  }
}
"""
SCRIPT = f"{TABLES}{FILMS}{SLIDER}"
