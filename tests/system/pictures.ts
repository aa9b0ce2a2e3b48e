/**
 * Takes the pictures of the live page for the documentation: `deno run -A tests/system/pictures.ts`.
 *
 * @module
 */

import { ROOT } from "../acceptance/program.ts";
import { busy, Stage } from "./stage.ts";
import { type Looks, Tab } from "./tab.ts";

/** By the file's name; cut off below their height. */
const PICTURES: Readonly<Record<string, Required<Looks>>> = {
  "console-light": { width: 1280, height: 1420, scheme: "light" },
  "console-phone-dark": { width: 360, height: 1240, scheme: "dark" },
};

await using stage = new Stage(busy(Date.now()));
await using tab = await Tab.open(stage.url);
await tab.until('document.querySelector("#state").textContent === "Ready"');
await tab.send("Emulation.setScrollbarsHidden", { hidden: true });
for (const [name, looks] of Object.entries(PICTURES)) {
  await tab.look(looks);
  Deno.writeFileSync(`${ROOT}docs/images/${name}.png`, await tab.picture());
}
