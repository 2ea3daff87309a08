// Colour scales, the same as in the reports: one hue for amounts, two for both ways from zero,
// even in Oklab (Ottosson 2020), one of each for light and for dark pages.

const ANCHORS = {
  amount: { light: ["#f4f7fb", "#8fb8de", "#0a3d7c"], dark: ["#19222d", "#2f6ca8", "#b5dcff"] },
  both: { light: ["#1c519e", "#f3f2ef", "#a2480b"], dark: ["#8fc3ff", "#22262b", "#ffb27a"] },
  error: { light: ["#edebe5", "#e2a56f", "#a2340b"], dark: ["#282d33", "#b4642a", "#ffb27a"] },
};
const kept = new Map();

/** Whether the page is dark now. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen) return chosen === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** 256 colours of a scale, each as [r, g, b]. */
export function scale(kind, dark = isDark()) {
  const key = `${kind}-${dark}`;
  if (!kept.has(key)) kept.set(key, evenly(ANCHORS[kind][dark ? "dark" : "light"], 256));
  return kept.get(key);
}

/** The same as one number a pixel, as image data wants it. */
export function pixels(kind, dark = isDark()) {
  const key = `${kind}-${dark}-pixels`;
  if (!kept.has(key)) {
    const out = new Uint32Array(256);
    scale(kind, dark).forEach(([r, g, b], i) => (out[i] = (255 << 24) | (b << 16) | (g << 8) | r));
    kept.set(key, out);
  }
  return kept.get(key);
}

/** Background and readable ink for a place on a scale, 0 to 1. */
export function paint(kind, share, dark = isDark()) {
  const colour = scale(kind, dark)[Math.round(Math.min(1, Math.max(0, share)) * 255)];
  const light = luminance(colour);
  const ink = (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) ? "#000" : "#fff";
  return { background: `rgb(${colour.join(" ")})`, ink };
}

/** The place of a number on the scale of both ways whose ends are ± most. */
export const bothWays = (value, most) => (most > 0 ? 0.5 + (0.5 * value) / most : 0.5);

/** The value of a CSS variable of the page. */
export function variable(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Colours that a canvas needs, looked up once a theme. */
export function inks() {
  const key = `inks-${isDark()}`;
  if (!kept.has(key)) {
    const probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
    const of = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const found = Object.fromEntries(
      ["page", "card", "ink", "soft", "line", "faint", "link", "warm", "good"].map((n) => [n, of(n)]),
    );
    probe.remove();
    kept.set(key, found);
  }
  return kept.get(key);
}

function evenly(anchors, count) {
  const labs = anchors.map((colour) => toLab(parse(colour)));
  return Array.from({ length: count }, (_, i) => {
    const at = (i / (count - 1)) * (labs.length - 1);
    const k = Math.min(labs.length - 2, Math.floor(at));
    return toRgb(labs[k].map((v, c) => v + (labs[k + 1][c] - v) * (at - k)));
  });
}

const parse = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16) / 255);
const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const coded = (v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);

function luminance(colour) {
  const [r, g, b] = colour.map((v) => linear(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function toLab(rgb) {
  const [r, g, b] = rgb.map(linear);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
  ];
}

function toRgb([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
  ].map((v) => Math.round(255 * coded(Math.min(1, Math.max(0, v)))));
}
