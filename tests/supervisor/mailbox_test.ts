import { Mailbox } from "../../src/supervisor/mailbox.ts";
import { assertEquals } from "../assert.ts";

Deno.test("events are taken in their order, whether they come before or after they are asked for", async () => {
  const mailbox = new Mailbox<number>();
  mailbox.put(1);
  mailbox.put(2);
  assertEquals([await mailbox.take(), await mailbox.take()], [1, 2]);
  const third = mailbox.take();
  mailbox.put(3);
  mailbox.put(4);
  assertEquals([await third, await mailbox.take()], [3, 4]);
});

Deno.test("what has been taken is waiting no more", async () => {
  const mailbox = new Mailbox<string>();
  mailbox.put("a");
  assertEquals(mailbox.some((event) => event === "a"), true);
  await mailbox.take();
  assertEquals(mailbox.some((event) => event === "a"), false);
});
