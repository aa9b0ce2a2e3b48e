/**
 * How long something took, for people.
 *
 * @module
 */

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
