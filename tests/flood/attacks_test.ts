/**
 * The attacks that took the service down: each at the size that worked, and at twice it, against a fresh
 * service with its derived flags. `attacks.ts` has the attacks, `withstand.ts` what must hold.
 */

import { ATTACKS } from "./attacks.ts";
import { withstands } from "./withstand.ts";

for (const attack of ATTACKS) {
  withstands(attack, 1);
  withstands(attack, 2);
}
