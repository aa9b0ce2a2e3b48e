import { KeyedHash } from "../../src/keyed_hash.ts";
import { isSubscribed, type Topic, TopicIndex } from "../../src/hub/topics.ts";
import { assertEquals } from "../assert.ts";

const [x, y] = [{ name: "x" }, { name: "y" }];

function listeners({ value }: Topic<{ name: string }>): string {
  return (value instanceof Set ? [...value] : [value]).map(({ name }) => name).join();
}

Deno.test("a topic without listeners takes no place in the index", () => {
  const index = new TopicIndex<{ name: string }>(new KeyedHash([1, 2]));
  const a = index.add("A", x);
  assertEquals(index.add("A", y), a, "a topic is the same for all its listeners");
  const b = index.add("B", x);
  assertEquals([index.size, index.subscriptions, listeners(a), listeners(b)], [2, 3, "x,y", "x"]);
  assertEquals([isSubscribed(a, y), isSubscribed(b, y)], [true, false]);
  index.remove(a, x);
  index.remove(b, x);
  assertEquals([index.size, index.subscriptions, index.find("B")], [1, 1, undefined]);
  index.remove(a, y);
  assertEquals([index.size, index.subscriptions], [0, 0]);
});
