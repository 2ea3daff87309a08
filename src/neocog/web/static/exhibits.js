// The kinds of exhibit, drawn as in the reports: scalar, curve, bars, map, gallery, table, checks.

import { paint, signed } from "./colors.js";
import { el, svg } from "./dom.js";
import { cell, largest, number } from "./numbers.js";
import { scrolling } from "./overview.js";

const [WIDE, TALL] = [520, 220];
const PRINTED = 20;

/** A section: its heading, its text, what it shows. */
export function section(one) {
  const parts = [];
  let tiles = null;
  for (const exhibit of one.exhibits ?? []) {
    if (exhibit.kind === "scalar") {
      tiles ??= el("dl", { class: "tiles" });
      if (!tiles.isConnected && !parts.includes(tiles)) parts.push(tiles);
      tiles.append(tile(exhibit));
    } else {
      tiles = null;
      parts.push(figure(exhibit));
    }
  }
  const text = (one.text ?? "").split("\n\n").filter(Boolean).map((p) => el("p", { class: "lead", text: p }));
  return el("section", { class: "exhibits" }, el("h3", { text: one.title }), text, parts);
}

/** One exhibit other than a scalar. */
export function figure(exhibit) {
  const draw = { curve, bars, map, gallery, table, checks }[exhibit.kind];
  return el("figure", { class: `exhibit ${exhibit.kind === "bars" ? "barchart" : exhibit.kind}` }, el("figcaption", {}, el("h4", { text: exhibit.title })),
    draw ? draw(exhibit) : el("p", { class: "soft", text: "This kind of exhibit cannot be drawn here." }),
    exhibit.note ? el("p", { class: "note", text: exhibit.note }) : null);
}

const quantity = (value, unit) => {
  if (value === null || value === undefined) return "–";
  if (unit === "%") return `${(value * 100).toFixed(2)}\u202f%`;
  return unit ? `${number(value)}\u202f${unit}` : number(value);
};

function tile({ title, value, unit, interval, note }) {
  return el("div", { class: "tile" }, el("dt", { text: title }), el("dd", { class: "value", text: quantity(value, unit) }),
    interval ? el("dd", { class: "soft", text: `${quantity(interval[0], unit)} to ${quantity(interval[1], unit)}` }) : null,
    note ? el("dd", { class: "note", text: note }) : null);
}

function table({ columns, rows, title }) {
  const numeric = columns.map((_, k) => rows.some((r) => typeof r[k] === "number") && rows.every((r) => r[k] === null || typeof r[k] === "number"));
  const most = columns.map((_, k) => Math.max(0, ...rows.map((r) => (typeof r[k] === "number" ? Math.abs(r[k]) : 0))));
  const text = (value, k) => (value === null ? "–" : typeof value === "number" ? (Number.isInteger(value) ? number(value) : cell(value, most[k])) : typeof value === "boolean" ? (value ? "yes" : "no") : String(value));
  return scrolling(title,
    el("table", {}, el("thead", {}, el("tr", {}, columns.map((c, k) => el("th", { scope: "col", class: numeric[k] ? "n" : "", text: c })))),
      el("tbody", {}, rows.slice(0, 300).map((row) => el("tr", {}, row.map((value, k) => el("td", { class: numeric[k] ? "n" : "", text: text(value, k) })))))));
}

function gallery({ images, captions, pixelated }) {
  return el("ul", { class: `gallery ${pixelated ? "pixels" : ""}` }, images.slice(0, 200).map((src, i) => {
    const lines = (captions[i] ?? "").split("\n");
    return el("li", {}, el("img", { src, alt: captions[i] ?? "" }), lines.map((line) => el("span", { class: "caption", text: line })));
  }));
}

function map({ values, rows, columns, diverging, ends, row_label: rowLabel, column_label: columnLabel, title }) {
  const most = largest(values.map((row) => row.map((v) => v ?? 0)));
  const flat = values.flat().filter((v) => v !== null);
  const [lo, hi] = Array.isArray(ends) ? ends : [Math.min(...flat), Math.max(...flat)];
  const print = values.length <= PRINTED && (values[0]?.length ?? 0) <= PRINTED;
  const color = (v) => (diverging ? signed(v, most) : paint("sequential", hi > lo ? (v - lo) / (hi - lo) : 0));
  const one = (v) => {
    const made = el("td", { class: v === null ? "gap" : "", text: print ? cell(v, most, 2) : "" });
    if (v === null) return made;
    const { background, ink } = color(v);
    made.style.background = background;
    made.style.color = ink;
    return made;
  };
  const head = columns.length && print ? el("thead", {}, el("tr", {}, el("th", { text: columnLabel ?? "" }), columns.map((c) => el("th", { scope: "col", text: c })))) : null;
  return scrolling(title,
    el("table", { class: `cells ${print ? "" : "fine"}` }, rowLabel ? el("caption", { class: "soft", text: `rows: ${rowLabel}` }) : null, head,
      el("tbody", {}, values.slice(0, 128).map((row, i) => el("tr", {}, print ? el("th", { scope: "row", text: rows[i] ?? "" }) : null, row.slice(0, 128).map(one))))));
}

function curve({ x, lines, x_label: xLabel, y_label: yLabel, log_y: log, title }) {
  const scale = yLabel === "%" ? 100 : 1;
  const usable = (v) => v !== null && Number.isFinite(v) && (!log || v > 0);
  const values = Object.values(lines).flat().filter(usable).map((v) => v * scale);
  if (!values.length) return el("p", { class: "soft", text: "No values." });
  const y = (v) => (log ? Math.log10(v) : v);
  let [lo, hi] = [Math.min(...values.map(y)), Math.max(...values.map(y))];
  if (hi === lo) [lo, hi] = [lo - 1, hi + 1];
  const [x0, x1] = [Math.min(...x), Math.max(...x)];
  const px = (v) => 46 + ((v - x0) / (x1 - x0 || 1)) * (WIDE - 60);
  const py = (v) => 10 + (1 - (y(v) - lo) / (hi - lo)) * (TALL - 44);
  const made = svg("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img", "aria-label": `${title}: ${Object.keys(lines).join(", ")} over ${xLabel}`, class: "plot" });
  for (const share of [0, 0.5, 1]) {
    const raw = lo + share * (hi - lo);
    const value = log ? 10 ** raw : raw;
    made.append(svg("path", { class: "rule", d: `M46 ${py(value)}H${WIDE - 14}` }), svg("text", { x: 40, y: py(value) + 4, "text-anchor": "end", text: number(value, 3) }));
    const at = x0 + share * (x1 - x0);
    made.append(svg("text", { x: px(at), y: TALL - 18, "text-anchor": "middle", text: number(at, 3) }));
  }
  made.append(svg("text", { x: (WIDE + 32) / 2, y: TALL - 2, "text-anchor": "middle", text: xLabel }));
  const key = Object.entries(lines).map(([name, line], k) => {
    let pen = "M";
    const d = line.map((v, i) => {
      if (!usable(v)) {
        pen = "M";
        return "";
      }
      const point = `${pen}${px(x[i]).toFixed(1)} ${py(v * scale).toFixed(1)}`;
      pen = "L";
      return point;
    }).join("");
    made.append(svg("path", { class: `line l${k % 8} k${Math.floor(k / 8) % 4}`, d }));
    return el("li", { class: `l${k % 8}` }, el("i"), el("span", { text: name }));
  });
  return el("div", {}, el("p", { class: "soft axis", text: yLabel }), key.length > 1 ? el("ul", { class: "key" }, key) : null, made);
}

/** Horizontal bars from zero with their intervals. */
function bars({ names, series, intervals, x_label: xLabel, unit, high, title }) {
  const ends = [0, high ?? 0, ...Object.values(series).flat(), ...Object.values(intervals).flat(2)].filter(Number.isFinite);
  const [lo, hi] = [Math.min(...ends), Math.max(...ends)];
  const place = (v) => (hi > lo ? ((v - lo) / (hi - lo)) * 100 : 0);
  const bar = (name, k, row) => {
    const value = series[name][row];
    if (!Number.isFinite(value)) return null;
    const pair = intervals[name]?.[row];
    const [start, end] = [place(Math.min(0, value)), place(Math.max(0, value))];
    const rod = el("i");
    rod.style.left = `${start}%`;
    rod.style.width = `${end - start}%`;
    const whisker = pair ? el("b") : null;
    if (whisker) {
      whisker.style.left = `${place(pair[0])}%`;
      whisker.style.width = `${place(pair[1]) - place(pair[0])}%`;
    }
    const text = el("span", { class: "value", text: unit ? quantity(value, unit) : number(value, 2) });
    text.style.left = `${Math.max(end, pair ? place(pair[1]) : 0)}%`;
    return el("span", { class: `bar l${k % 8}` }, rod, whisker, text);
  };
  const keys = Object.keys(series);
  if (!names.length) return el("p", { class: "soft", text: "No values." });
  return el("div", { role: "group", "aria-label": title }, keys.length > 1 ? el("ul", { class: "key" }, keys.map((name, k) => el("li", { class: `l${k % 8}` }, el("i"), el("span", { text: name })))) : null,
    names.map((name, row) => el("div", { class: "barrow" }, el("span", { class: "name", title: name, text: name }), el("span", { class: "lane" }, keys.map((s, k) => bar(s, k, row))))),
    xLabel ? el("p", { class: "soft axis", text: xLabel }) : null);
}

/** Tests with their outcome: never by color alone. */
function checks({ checks: all }) {
  const look = (passed) => (passed === null ? ["?", "undecided", "open"] : passed ? ["✓", "passed", "good"] : ["✗", "failed", "bad"]);
  return el("ul", { class: "checks" }, all.map(({ name, passed, text }) => {
    const [mark, outcome, kind] = look(passed);
    return el("li", { class: kind }, el("span", { class: "mark", "aria-hidden": "true", text: mark }),
      el("span", {}, el("strong", { text: name }), ` ${outcome}`, text ? el("span", { class: "soft", text }) : null));
  }));
}
