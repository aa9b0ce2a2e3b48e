import { operandRange } from "../../src/cli/command.ts";
import { assertEquals } from "../assert.ts";

Deno.test("the names of the operands say how many a command takes", () => {
  assertEquals(
    ["", "VERB", "[VERB]", "TOPIC...", "[FILE...]", "FROM [TO]"].map((operands) =>
      Object.values(operandRange({ operands }))
    ),
    [[0, 0], [1, 1], [0, 1], [1, Infinity], [0, Infinity], [1, 2]],
  );
  assertEquals(operandRange({}), { min: 0, max: 0 });
});
