import { Buffer } from "node:buffer";
import { freeBytes } from "../src/bytes.ts";
import { assertEquals } from "./assert.ts";

Deno.test("bytes that are all of their buffer are gone at once", () => {
  const bytes = new Uint8Array(100_000);
  const { external } = Deno.memoryUsage();
  freeBytes(bytes);
  assertEquals(bytes.length, 0);
  assertEquals(Deno.memoryUsage().external, external - 100_000);
  freeBytes(bytes);
});

Deno.test("a part of a buffer stays, as the rest of it may be in use", () => {
  const whole = new Uint8Array(10_000).fill(7);
  freeBytes(whole.subarray(5));
  assertEquals(whole, new Uint8Array(10_000).fill(7));
  const pooled = Buffer.from("text");
  freeBytes(pooled);
  assertEquals(pooled.toString(), "text");
});

Deno.test("no bytes can be freed as often as one likes, and used on", () => {
  const none = new Uint8Array(0);
  freeBytes(none);
  new Uint8Array(5).set(none);
  assertEquals(none.length, 0);
});
