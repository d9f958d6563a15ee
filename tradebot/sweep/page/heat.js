// Draws a sweep, after page.js.
function say(value, kind) {
  if (value === null || value === undefined) return "";
  const digits = kind === "count" ? 0 : Math.abs(value) >= 10000 ? 0 : 2;
  const scaled = kind === "percent" ? value * 100 : value;
  const text = scaled.toLocaleString(story.locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return kind === "percent" ? `${text}%` : text;
}

function lines(table, head, rows) {
  table.replaceChildren(make("thead"), make("tbody"));
  const top = make("tr");
  head.forEach((text) => top.append(make("th", text, "number")));
  table.tHead.append(top);
  for (const cells of rows) {
    const row = make("tr");
    cells.forEach((text) => row.append(make("td", text, "number")));
    table.tBodies[0].append(row);
  }
}

const figure = () => story.figures.find((one) => one.name === $("figure").value);

function joined(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
  if ($("others").value === "largest") return sorted.at(-1);
  if ($("others").value === "smallest") return sorted[0];
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function heat() {
  const of = figure(), at = story.figures.indexOf(of);
  const across = story.axes[$("across").value], down = story.axes[$("down").value] || { name: "", values: [""] };
  const [x, y] = [story.axes.indexOf(across), story.axes.indexOf(down)];
  const cells = down.values.map(() => across.values.map(() => []));
  for (const row of story.rows) {
    if (String(row.fold) !== $("fold").value || row.figures[at] === null) continue;
    cells[y < 0 ? 0 : row.at[y]][row.at[x]].push(row.figures[at]);
  }
  const values = cells.map((line) => line.map(joined)), known = values.flat().filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const table = $("heat");
  table.replaceChildren(make("thead"), make("tbody"));
  const top = make("tr");
  top.append(make("th", `${down.name || ""} ↓  ${across.name} →`));
  across.values.forEach((value) => top.append(make("th", String(value))));
  table.tHead.append(top);
  values.forEach((line, j) => {
    const row = make("tr");
    row.append(make("th", String(down.values[j])));
    line.forEach((value, i) => {
      const cell = make("td", say(value, of.kind));
      if (value !== null) { // from faint to full, so that the order can be seen without telling colours apart
        const share = high > low ? (value - low) / (high - low) : 1;
        cell.style.background = `color-mix(in srgb, var(--${value < 0 && low < 0 ? "down" : "up"}) ${Math.round(value < 0 && low < 0 ? 50 * value / low : 6 + 44 * share)}%, transparent)`;
      }
      const best = story.best.find((one) => String(one.fold) === $("fold").value);
      if (best && best.at[x] === i && (y < 0 || best.at[y] === j)) cell.classList.add("best");
      row.append(cell);
    });
    table.tBodies[0].append(row);
  });
}

async function main() {
  await read();
  $("period").textContent = story.period;
  $("made").textContent = story.made_by;
  if (!story.checks.length) $("checks").append(make("li", "The honesty checks were switched off for this sweep."));
  for (const check of story.checks) {
    const line = make("li"), mark = { pass: "✓ pass", warn: "! warn", fail: "✗ fail" }[check.verdict];
    line.append(make("b", mark || "– none", check.verdict), make("span", check.title), make("span", check.text));
    $("checks").append(line);
  }
  for (const one of story.figures) $("figure").append(new Option(one.text, one.name, false, one.name === story.objective));
  story.axes.forEach((axis, i) => { $("across").append(new Option(axis.name, i)); $("down").append(new Option(axis.name, i)); });
  if (story.axes.length < 2) $("down").append(new Option("(none)", -1, true, true));
  const byLength = story.axes.map((axis, i) => i).sort((a, b) => story.axes[b].values.length - story.axes[a].values.length);
  $("across").value = byLength[0];
  $("down").value = byLength.length > 1 ? byLength[1] : -1;
  const folds = [...new Set(story.rows.map((row) => row.fold))];
  for (const fold of folds) $("fold").append(new Option(fold ? `training ${fold}` : "all", fold));
  $("fold-label").hidden = folds.length < 2;
  for (const id of ["figure", "across", "down", "others", "fold"]) $(id).onchange = heat;
  heat();
  $("forward").hidden = !story.spans.length;
  lines($("spans"), story.span_head, story.spans);
  lines($("best"), story.table_head, story.table);
  root.dataset.drawn = "yes";
}

main();
