import fc from "fast-check";
import { drawKey, KeyedHash } from "../src/keyed_hash.ts";
import { assert, assertEquals } from "./assert.ts";

/** The text whose code units are these bytes, two by two in little endian. */
function textOf(bytes: readonly number[]): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 2) {
    text += String.fromCharCode((bytes[at] ?? 0) | (bytes[at + 1] ?? 0) << 8);
  }
  return text;
}

function digest(hash: KeyedHash, text: string): string {
  hash.digest(text);
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, hash.low, true);
  view.setInt32(4, hash.high, true);
  return bytes.toHex();
}

Deno.test("the hash is HalfSipHash-2-4 with 64 bits: its authors' test vectors", () => {
  const hash = new KeyedHash([0x03020100, 0x07060504]);
  const expected = new Map([
    [0, "218d1f59b9b83cc8"],
    [2, "064f39ef7c50eb57"],
    [4, "d5e78a175be52ea1"],
    [6, "ce3e91358aa2bc25"],
    [8, "edfee820bce4858c"],
    [10, "95b0469f06a6f2ee"],
    [12, "7bc71f9faef5c799"],
  ]);
  for (const [length, hex] of expected) assertEquals(digest(hash, textOf(bytes(length))), hex);
});

function bytes(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

Deno.test("another key gives another hash, and a key that is drawn is another each time", () => {
  const hashes = Array.from({ length: 50 }, () => digest(new KeyedHash(drawKey()), "PHID-USER-x"));
  assertEquals(new Set(hashes).size, hashes.length);
});

Deno.test("texts that V8 hashes alike, or that differ in one unit, have hashes of their own", () => {
  const hash = new KeyedHash(drawKey());
  const texts = Array.from({ length: 20_000 }, (_, k) => `${1_000_000_000 + k * 65_536}`);
  const buckets = new Map<number, number>();
  for (const text of texts) {
    hash.digest(text);
    const bucket = hash.low & 0xffff;
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
  }
  assert(Math.max(...buckets.values()) < 15, "20,000 in 65,536 buckets");
  fc.assert(fc.property(fc.string({ unit: "binary", minLength: 1 }), (text) => {
    const first = digest(hash, text);
    assert(digest(hash, text.slice(1)) !== first);
    assert(digest(hash, `${text}\0`) !== first);
    assertEquals(digest(hash, text), first);
  }));
});
