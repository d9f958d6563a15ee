// Draws the story of a backtest, after page.js.
const PAGE = 50; // trades shown at first; a click shows five times as many more
const FAULTS = 8; // strategies switched off that are named at the head
const LATEST = 250; // bars shown at first: candles that can be told apart
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
let chart, candles, stopLines = [], plots = [], shown = PAGE, order = { column: 3, down: false };

const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
const two = (number) => String(number).padStart(2, "0");

function when(second, withDay = true) { // stamps are already shifted to the exchange's time
  const moment = new Date(second * 1000);
  const day = `${moment.getUTCFullYear()}-${two(moment.getUTCMonth() + 1)}-${two(moment.getUTCDate())}`;
  const time = `${two(moment.getUTCHours())}:${two(moment.getUTCMinutes())}`;
  return withDay ? (story.intraday ? `${day} ${time}` : day) : time;
}

function number(value, digits) {
  return value.toLocaleString(story.locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function say(value, kind) {
  if (value === null || value === undefined) return "–";
  if (kind === "percent") return `${number(value * 100, 2)}%`;
  if (kind === "money") return number(value, Math.abs(value) >= 10000 ? 0 : 2);
  if (kind === "count") return number(value, 0);
  if (kind === "price") return number(value, story.digits);
  if (kind === "quantity") return number(value, Number.isInteger(value) ? 0 : 4);
  if (kind === "days") return `${number(value, value < 10 ? 1 : 0)} d`;
  return number(value, 2);
}

const sign = (value) => (value > 0 ? "up" : value < 0 ? "down" : "");

function header() {
  $("period").textContent = story.period;
  const worst = ["fail", "warn", "pass"].find((verdict) => story.checks.some((check) => check.verdict === verdict));
  const count = (verdict) => story.checks.filter((check) => check.verdict === verdict).length;
  const words = { fail: `${count("fail")} of ${story.checks.length} checks failed`, warn: `${count("warn")} of ${story.checks.length} checks warn`,
    pass: `all ${story.checks.length} checks passed` };
  $("verdict").textContent = worst ? words[worst] : "no checks were made";
  $("verdict").className = worst || "none";
  $("faults").hidden = !story.faults.length;
  for (const fault of story.faults.slice(0, FAULTS)) $("faults").append(make("li", `${fault}.`));
  if (story.faults.length > FAULTS) $("faults").append(make("li", `And ${number(story.faults.length - FAULTS, 0)} more: see the configuration.`));
  for (const name of story.tiles) {
    const figure = story.figures.find((one) => one.name === name);
    const tile = make("div");
    tile.append(make("dt", figure.text), make("dd", say(figure.value, figure.kind), figure.signed ? sign(figure.value) : ""));
    $("tiles").append(tile);
  }
  for (const check of story.checks) {
    const line = make("li");
    const mark = { pass: "✓ pass", warn: "! warn", fail: "✗ fail" }[check.verdict];
    line.append(make("b", mark || "– none", check.verdict), make("span", check.title), make("span", check.text));
    $("checks").append(line);
  }
  if (!story.checks.length) $("checks").append(make("li", "The honesty checks were switched off for this run."));
  $("made").textContent = `${story.made_by}. Times are those of ${story.zone}. Money is in ${story.currency}.`;
}

function rows(table, head, lines, numeric) {
  const top = make("tr");
  head.forEach((text, i) => top.append(make("th", text, numeric(i) ? "number" : "")));
  table.append(make("thead"));
  table.tHead.append(top);
  table.append(make("tbody"));
  for (const line of lines) {
    const row = make("tr");
    line.forEach(([text, kind], i) => row.append(make("td", text, `${numeric(i) ? "number" : ""} ${kind || ""}`)));
    table.tBodies[0].append(row);
  }
}

function tables() {
  rows($("charges"), ["Part", story.currency, "Share"],
    story.charges.map((part) => [[part.text], [say(part.amount, "money")], [say(part.share, "percent")]]), (i) => i > 0);
  rows($("figures"), ["Figure", "Value"], story.figures.map((one) => [[one.text], [say(one.value, one.kind)]]), (i) => i > 0);
  const body = make("tbody");
  for (const [name, value] of story.config) {
    const row = make("tr");
    row.append(make("th", name), make("td", value));
    row.firstChild.scope = "row";
    body.append(row);
  }
  $("config").append(body);
  const most = Math.max(...story.months.flatMap((year) => year.returns).map((r) => Math.abs(r || 0)), 1e-9);
  rows($("months"), ["Year", ...MONTHS, "Year"],
    story.months.map((year) => [[year.year], ...year.returns.map((r) => [r === null ? "" : `${number(r * 100, 1)}`, sign(r)]),
      [`${number(year.total * 100, 1)}%`, sign(year.total)]]), () => false);
  story.months.forEach((year, i) => year.returns.forEach((r, month) => { // deeper colour for larger months, sign by text colour
    if (r) $("months").tBodies[0].rows[i].cells[month + 1].style.background =
      `color-mix(in srgb, var(--${r > 0 ? "up" : "down"}) ${Math.round(28 * Math.abs(r) / most)}%, transparent)`;
  }));
}

function marks(_, seconds) { // 6 Jan; with the year where it begins, with the time where days are few
  return seconds.map((second, i) => {
    const moment = new Date(second * 1000), clock = when(second, false);
    if (clock !== "00:00") return clock;
    const first = i === 0 || new Date(seconds[i - 1] * 1000).getUTCFullYear() !== moment.getUTCFullYear();
    return `${moment.getUTCDate()} ${MONTHS[moment.getUTCMonth()]}${first ? `\n${moment.getUTCFullYear()}` : ""}`;
  });
}

function curves() {
  plots.forEach((plot) => plot.destroy());
  const width = $("equity").clientWidth, grid = { stroke: colour("line"), width: 1 }, stroke = colour("dim");
  const day = (plot, seconds) => seconds === null ? "–" : when(seconds);
  // A line without movement gets a scale that is about it: by itself it would be one from nothing to twice as much.
  const around = (_, low, high) => low === high ? [low * .99 - 1, high * 1.01 + 1] : uPlot.rangeNum(low, high, .1, true);
  const below = (_, low) => [Math.min(low * 1.1, -.01), 0];
  const plot = (id, label, values, height, line, fill, kind) => new uPlot({
    width, height, tzDate: (second) => uPlot.tzDate(new Date(second * 1000), "Etc/UTC"), cursor: { sync: { key: "equity" } },
    scales: { y: { range: kind === "percent" ? below : around } },
    series: [{ label: "Time", value: day },
      { label, stroke: line, fill, width: 1.5, points: { show: false }, value: (_, v) => say(v, kind) }],
    axes: [{ stroke, grid, ticks: grid, values: marks }, { stroke, grid, ticks: grid, size: 84, values: (_, marks) => marks.map((v) => kind === "percent" ?
      `${number(v * 100, Math.abs(v) < 0.0995 && v ? 1 : 0)}%` : number(v, 0)) }],
  }, [story.equity.t, values], $(id));
  plots = [plot("equity", `Equity, ${story.currency}`, story.equity.v, 260, colour("accent"), `rgba(${colour("shade")}, .10)`, "money"),
    plot("drawdown", "Drawdown", story.equity.drawdown, 130, colour("down"), "rgba(192, 52, 43, .15)", "percent")];
}

function theme() {
  const grid = { color: colour("line") };
  return { autoSize: true, layout: { background: { color: colour("back") }, textColor: colour("dim"), attributionLogo: true },
    grid: { vertLines: grid, horzLines: grid }, rightPriceScale: { borderColor: colour("line") },
    timeScale: { borderColor: colour("line"), timeVisible: story.intraday, secondsVisible: false } };
}

function market() {
  const names = Object.keys(story.symbols);
  if (!names.length) { $("market").hidden = true; return; }
  for (const name of names) $("symbol").append(make("option", name));
  chart = LightweightCharts.createChart($("candles"), theme());
  candles = chart.addSeries(LightweightCharts.CandlestickSeries, {
    upColor: colour("up"), wickUpColor: colour("up"), downColor: colour("down"), wickDownColor: colour("down"), borderVisible: false });
  candles.marks = LightweightCharts.createSeriesMarkers(candles, []);
  chart.subscribeCrosshairMove(underCursor);
  $("symbol").onchange = () => { keep("symbol", $("symbol").value); symbol(); };
  $("whole").onclick = () => chart.timeScale().fitContent();
  symbol();
}

function unpack(of) { // steps become times and prices again, see candles.py
  let time = 0, last = 0;
  of.bars = of.t.map((step, i) => {
    const open = last + of.o[i], close = open + of.c[i], high = Math.max(open, close) + of.h[i], low = Math.min(open, close) - of.l[i];
    last = close;
    return { time: time += step, open: open / of.scale, high: high / of.scale, low: low / of.scale, close: close / of.scale };
  });
}

function symbol() {
  const of = story.symbols[$("symbol").value];
  if (!of.bars) unpack(of);
  candles.setData(of.bars);
  candles.applyOptions({ priceFormat: { type: "price", precision: of.digits, minMove: 1 / of.scale } });
  const up = colour("up"), down = colour("down"), warn = colour("warn");
  candles.marks.setMarkers(of.fills.map((fill) => ({ time: fill.bar, position: fill.side === "BUY" ? "belowBar" : "aboveBar",
    color: fill.stop ? warn : fill.side === "BUY" ? up : down, shape: fill.stop ? "square" : fill.side === "BUY" ? "arrowUp" : "arrowDown" })));
  stopLines.forEach((line) => chart.removeSeries(line));
  stopLines = of.stops.length ? [chart.addSeries(LightweightCharts.LineSeries, { color: warn, lineWidth: 1, lineStyle: 2,
    priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false })] : [];
  // One series for all stops; what would join one stop to the next is drawn in no colour.
  if (stopLines.length) stopLines[0].setData(of.stops.flatMap(([from, to, value]) => [{ time: from, value, color: warn }, { time: to, value, color: "transparent" }]));
  $("candle-note").textContent = of.note;
  chart.timeScale().setVisibleLogicalRange({ from: Math.max(0, of.bars.length - LATEST), to: of.bars.length + 2 });
}

function underCursor(event) {
  const of = story.symbols[$("symbol").value];
  const here = event.time === undefined ? [] : of.fills.filter((fill) => fill.bar === event.time);
  $("under-cursor").textContent = here.slice(0, 3).map((fill) =>
    `${fill.side.toLowerCase()} ${say(fill.qty, "quantity")} at ${number(fill.price, of.digits)} (${fill.purpose})`).join(", ");
}

const column = (name) => story.trades.columns.findIndex((one) => one.name === name);
const FILTERS = [["by-symbol", "symbol"], ["by-side", "side"], ["by-exit", "exit_reason"]];

function trades() {
  for (const [id, name] of FILTERS) {
    $(id).append(make("option", "all"));
    for (const value of [...new Set(story.trades.rows.map((row) => row[column(name)]))].sort()) $(id).append(make("option", value));
  }
  for (const text of ["all", "won", "lost"]) $("by-outcome").append(make("option", text));
  for (const id of [...FILTERS.map(([id]) => id), "by-outcome"]) $(id).onchange = () => { shown = PAGE; keep(id, $(id).value); list(); };
  $("more").onclick = () => { shown += 5 * PAGE; list(); };
  const head = make("tr");
  story.trades.columns.forEach((one, i) => {
    const cell = make("th", undefined, one.kind === "text" || one.kind === "time" ? "" : "number"), button = make("button", one.text);
    button.type = "button";
    button.onclick = () => { order = { column: i, down: order.column === i && !order.down }; list(); };
    cell.append(button);
    head.append(cell);
  });
  $("trades").append(make("thead"), make("tbody"));
  $("trades").tHead.append(head);
  list();
}

function list() {
  const net = column("net"), outcome = $("by-outcome").value;
  const chosen = story.trades.rows.filter((row) => FILTERS.every(([id, name]) => $(id).value === "all" || row[column(name)] === $(id).value)
    && (outcome === "all" || (outcome === "won") === (row[net] > 0)));
  const { column: by, down } = order;
  chosen.sort((a, b) => (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0) * (down ? -1 : 1));
  const of = story.trades_of > story.trades.rows.length ? ` of the ${number(story.trades.rows.length, 0)} largest of ${number(story.trades_of, 0)}` : "";
  $("count").textContent = `${number(chosen.length, 0)} trades${of}, net ${say(chosen.reduce((sum, row) => sum + row[net], 0), "money")}`;
  $("more").hidden = chosen.length <= shown;
  $("trades").tBodies[0].replaceChildren(...chosen.slice(0, shown).map((trade) => {
    const row = make("tr");
    story.trades.columns.forEach(({ kind, name }, i) => {
      const text = kind === "text" ? trade[i] : kind === "time" ? when(trade[i]) : say(trade[i], kind);
      row.append(make("td", text, (kind === "text" || kind === "time" ? "" : "number ") + (name === "net" ? sign(trade[i]) : "")));
    });
    row.tabIndex = 0;
    row.title = "show on the chart";
    row.onclick = () => show(trade);
    row.onkeydown = (event) => { if (event.key === "Enter") show(trade); };
    return row;
  }));
  if (!chosen.length) {
    const row = make("tr"), cell = make("td", story.trades.rows.length ? "No trade is like that." : "No trade was closed.", "none");
    cell.colSpan = story.trades.columns.length;
    row.append(cell);
    $("trades").tBodies[0].append(row);
  }
}

function show(trade) {
  const name = trade[column("symbol")], of = story.symbols[name];
  if (!of) return;
  $("symbol").value = name;
  symbol();
  const at = (second) => { const i = of.bars.findIndex((bar) => bar.time > second); return i < 0 ? of.bars.length - 1 : i - 1; };
  const from = at(trade[column("entered_at")]), to = at(trade[column("exited_at")]);
  chart.timeScale().setVisibleLogicalRange({ from: from - 30, to: to + 30 });
  $("market").scrollIntoView({ behavior: "smooth" });
}

function keep(name, value) { // what is chosen stands in the address, so that a view can be mailed
  if (location.protocol === "about:") return; // in the cell of a notebook, which has no address
  const state = new URLSearchParams(location.hash.slice(1));
  if (value === "all") state.delete(name); else state.set(name, value);
  history.replaceState(null, "", `#${state}`);
}

function restore() {
  for (const [id, value] of new URLSearchParams(location.hash.slice(1))) {
    const select = $(id);
    if (select instanceof HTMLSelectElement && [...select.options].some((option) => option.value === value)) select.value = value;
  }
  if (chart) symbol();
  list();
}

function repaint() {
  curves();
  if (!chart) return;
  chart.applyOptions(theme());
  candles.applyOptions({ upColor: colour("up"), wickUpColor: colour("up"), downColor: colour("down"), wickDownColor: colour("down") });
  symbol();
}

async function main() {
  await read();
  header();
  tables();
  curves();
  market();
  trades();
  restore();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; curves(); } });
  addEventListener("beforeprint", () => { root.classList.add("printed"); repaint(); });
  addEventListener("afterprint", () => { root.classList.remove("printed"); repaint(); });
  root.dataset.drawn = "yes";
}

main();
