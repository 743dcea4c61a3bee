"""What a page does where scripts run: tables sort, films open large. Nothing is lost without it."""

SCRIPT = """\
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
