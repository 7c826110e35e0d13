"use strict";

// A press on the title of a column sorts its table: by numbers where the cells have some.
for (const button of document.querySelectorAll("th[aria-sort] button")) {
  button.addEventListener("click", () => {
    const title = button.parentElement;
    const body = title.closest("table").tBodies[0];
    const column = title.cellIndex;
    const sign = title.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const read = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const compare = (one, other) => {
      const [a, b] = [read(one), read(other)];
      if (a === "" || b === "") return (a === "") - (b === ""); // what is empty is last
      const difference = Number(a) - Number(b);
      return sign * (Number.isNaN(difference) ? a.localeCompare(b, "en", { numeric: true }) : difference);
    };
    for (const other of title.parentElement.cells) other.setAttribute("aria-sort", "none");
    title.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    body.append(...[...body.rows].sort(compare));
  });
}

// A link into something folded unfolds it, and paper shows all.
const unfold = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  target?.scrollIntoView();
};
addEventListener("hashchange", unfold);
if (location.hash) unfold();
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});

// What is pointed at, or has the focus, is marked in all charts and tables that show it; a press
// keeps it so until the next one.
let kept = "";
const mark = (key) => {
  for (const shown of document.querySelectorAll("[data-key]")) {
    shown.classList.toggle("on", shown.dataset.key === key);
    shown.closest("svg")?.classList.remove("marking");
  }
  for (const shown of document.querySelectorAll("svg .on")) shown.closest("svg").classList.add("marking");
};
const keyOf = (event) => event.target.closest?.("[data-key]")?.dataset.key ?? "";
for (const kind of ["pointerover", "focusin"]) addEventListener(kind, (event) => mark(keyOf(event) || kept));
addEventListener("click", (event) => {
  const key = keyOf(event);
  if (!key) return;
  kept = kept === key ? "" : key;
  for (const button of document.querySelectorAll(".pick")) {
    button.setAttribute("aria-pressed", String(keyOf({ target: button }) === kept));
  }
  mark(kept);
});

// Two pictures lie on each other; a slider says up to where the one before is shown.
for (const slider of document.querySelectorAll(".cut input")) {
  const pair = slider.closest(".pair");
  const cut = () => {
    pair.style.setProperty("--cut", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value}% before, ${100 - slider.value}% after`);
  };
  slider.parentElement.hidden = false;
  pair.classList.add("stacked");
  slider.addEventListener("input", cut);
  cut();
}
