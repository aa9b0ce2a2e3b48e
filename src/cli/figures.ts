/**
 * Numbers as people read them.
 *
 * @module
 */

/**
 * Such as `1,234` or `12.3`. What is no number comes from another program.
 *
 * @param digits After the point, of numbers below 100.
 */
export function number(value: number, digits: number = 0): string {
  return Number.isFinite(value)
    ? value.toLocaleString("en-US", { maximumFractionDigits: value < 100 ? digits : 0 })
    : "?";
}

/** Such as `1 peer` or `2 peers`. */
export function some(count: number, what: string): string {
  return `${number(count)} ${what}${count === 1 ? "" : "s"}`;
}

/** Such as `12 bytes` or `1.5 MiB`. */
export function bytes(count: number): string {
  const units = ["KiB", "MiB", "GiB"];
  let value = count;
  let unit = "";
  while (value >= 1024 && units.length > 0) {
    value /= 1024;
    unit = units.shift() ?? "";
  }
  return unit === "" ? some(count, "byte") : `${number(value, 1)} ${unit}`;
}

/** Such as `3d 4h`, `5m 6s`: the two largest parts. */
export function formatDuration(seconds: number | null): string {
  if (seconds === null) return "unknown";
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0s";
  return parts.slice(first, first + 2).map(([count, unit]) => `${count}${unit}`).join(" ");
}
