import { TopicIndex } from "../../src/hub/topics.ts";
import { assertEquals } from "../assert.ts";

Deno.test("a topic that nobody wants any more takes no place in the index", () => {
  const index = new TopicIndex<string>();
  index.add("A", "x");
  index.add("A", "y");
  index.add("B", "x");
  index.remove("A", "x");
  index.remove("B", "x");
  index.remove("B", "x");
  assertEquals(index.size, 1);
  index.remove("A", "y");
  assertEquals(index.size, 0);
});

Deno.test("receivers() gives each listener once, in any number of matching topics", () => {
  const index = new TopicIndex<string>();
  index.add("A", "x");
  index.add("B", "x");
  index.add("B", "y");
  assertEquals([...index.receivers(["A", "B", "C", "A"])], ["x", "y"]);
  assertEquals([...index.receivers(["C"])], []);
  assertEquals([...index.receivers([])], []);
});
