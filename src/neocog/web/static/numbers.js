// Numbers as they are written: a true minus, so many digits, no noise behind the point.

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const signed = (text) => text.replace("-", "−");

/** To so many significant digits; integers in full, with commas. */
export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) {
    return signed(value.toLocaleString("en-US"));
  }
  const size = Math.floor(Math.log10(Math.abs(value)));
  if (size < -4 || size >= 9) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    const raised = [...String(Number(power))].map((c) => RAISED[c]).join("");
    return `${signed(trim(mantissa))}×10${raised}`;
  }
  return signed(trim(value.toFixed(Math.max(0, digits - 1 - size))));
}

/** A cell of a matrix whose largest number is `most`: all cells share their decimals. */
export function cell(value, most, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  if (!(most >= 1e-3 && most < 1e6)) return number(value, digits - 1);
  const places = Math.min(6, Math.max(0, digits - 1 - Math.floor(Math.log10(most))));
  const text = value.toFixed(places);
  return Number(text) === 0 ? "0" : signed(text);
}

/** So many decimals. */
export function fixed(value, places) {
  return value === null || value === undefined ? "–" : signed(value.toFixed(places));
}

/** A fraction in percent, more digits near the ends. */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  const p = share * 100;
  if (p > 0 && p < 0.005) return "< 0.01\u202f%";
  const places = p > 0 && p < 0.1 ? 2 : p > 99.9 && p < 100 ? 2 : 1;
  return `${p.toFixed(places)}\u202f%`;
}

/** A count in short: 4.6 M, 272 k. */
export function short(count) {
  if (count === null || count === undefined) return "–";
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (count >= size) {
      const scaled = count / (unit === "k" ? 1e3 : size);
      return `${scaled >= 100 ? scaled.toFixed(0) : trim(scaled.toFixed(scaled >= 10 ? 1 : 2))}\u202f${unit}`;
    }
  }
  return count.toLocaleString("en-US");
}

/** The shape of an output in words: "16 feature maps of 32 × 32". */
export function shape(sizes) {
  if (!sizes?.length) return "";
  const many = (word) => `${number(sizes[0])} ${word}${sizes[0] === 1 ? "" : "s"}`;
  if (sizes.length === 1) return many("value");
  return `${many(sizes.length === 2 ? "channel" : "feature map")} of ${sizes.slice(1).join(" × ")}`;
}

/** The largest size of the numbers in nested lists. */
export function largest(rows) {
  let most = 0;
  for (const row of rows) for (const v of row) if (Math.abs(v) > most) most = Math.abs(v);
  return most;
}

function trim(digits) {
  return digits.includes(".") ? digits.replace(/0+$/, "").replace(/\.$/, "") : digits;
}
