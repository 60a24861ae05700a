// Plots drawn from the tables beside them: whoever cannot see a plot reads the table, and no figure is sent twice.

const UPlot = window.uPlot; // vendor/uplot, loaded before this module
const HEIGHT = 220;
const DAY = 86_400; // seconds
const COLOURS = ["--line-strong", "--accent", "--flag", "--violet"];
const drawn = new Map();
const LANGUAGE = document.documentElement.lang;
const numeral = new Intl.NumberFormat(LANGUAGE);
const day = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short", timeZone: "UTC" });
const NUMBERS = (_, values) => values.map((value) => numeral.format(value));
const BY_DAY = { incrs: [1, 2, 7, 14, 28, 91, 182].map((days) => days * DAY), values: (_, moments) => moments.map((moment) => day.format(new Date(moment * 1e3))) };

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The columns of a table: the values of its row headings, then one column for each heading without `data-skip`. */
function columns(table) {
  const heads = [...table.tHead.rows[0].cells];
  const kept = heads.map((_, place) => place).filter((place) => !("skip" in heads[place].dataset));
  const rows = [...table.tBodies[0].rows];
  const value = (cell) => {
    const text = cell.dataset.value ?? cell.textContent.trim();
    return text === "" ? null : Number(text);
  };
  return {
    names: kept.slice(1).map((place) => heads[place].textContent.trim()),
    data: kept.map((place) => rows.map((row) => value(row.cells[place]))),
  };
}

/** From the first day to the last; where there is one alone, it stands in the middle of a week. */
const days = (_, low, high) => (low === high ? [low - 3 * DAY, high + 3 * DAY] : [low, high]);

function draw(figure) {
  drawn.get(figure)?.destroy();
  const { names, data } = columns(figure.querySelector("table"));
  const isTime = figure.dataset.plot !== "share";
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const plot = new UPlot(
    {
      width: Math.max(figure.clientWidth, 200),
      height: HEIGHT,
      tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1e3), "UTC"),
      scales: { x: isTime ? { time: true, range: days } : { time: false, range: [0, 1] }, y: { range: (_, low, high) => [Math.min(0, low), isTime ? Math.max(high * 1.1, 1) : 1] } },
      axes: [isTime ? { ...axis, ...BY_DAY } : { ...axis, values: NUMBERS }, { ...axis, size: 44, values: NUMBERS }],
      legend: { live: false },
      series: [
        {},
        ...names.map((label, place) => ({
          label,
          stroke: colour(isTime ? COLOURS[place % COLOURS.length] : "--accent"),
          width: 2,
          dash: isTime && place === 0 ? [6, 4] : [],
          points: { show: data[0].length < 2 },
        })),
      ],
    },
    data,
  );
  plot.root.setAttribute("role", "img");
  plot.root.setAttribute("aria-label", figure.dataset.plotLabel);
  figure.querySelector("figcaption").after(plot.root);
  drawn.set(figure, plot);
}

function drawAll() {
  for (const [figure, plot] of drawn) {
    if (!figure.isConnected) {
      plot.destroy();
      drawn.delete(figure);
    }
  }
  for (const figure of document.querySelectorAll("figure[data-plot]")) draw(figure);
}

drawAll();
document.addEventListener("theme", drawAll);
document.addEventListener("htmx:afterSettle", drawAll);
let waiting = 0;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(drawAll, 120);
});

// Another model is another page: its points and past flags change with it, not only the part that is tried.
document.addEventListener("htmx:configRequest", (event) => {
  const source = event.detail.triggeringEvent?.target;
  if (!source?.matches?.("select[data-whole]")) return;
  event.preventDefault();
  const address = new URL(location.href);
  address.search = new URLSearchParams({ for: source.value });
  location.assign(address);
});
