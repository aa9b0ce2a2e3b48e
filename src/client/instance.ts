/**
 * Which instance a browser belongs to.
 *
 * @module
 */

import { DEFAULT_INSTANCE, INSTANCE_LIMIT } from "../hub/hub.ts";

/**
 * The instance in a request's path: what stands between the first `~` and the next, slashes
 * removed, whatever a reverse proxy put before it (Phorge's `AphlictClientServer.js`).
 *
 * @returns `null` if it has more characters than the name of an instance may have.
 */
export function instanceOf(path: string): string | null {
  const name = path.split("~", 2)[1]?.replaceAll("/", "") || DEFAULT_INSTANCE;
  return name.length > INSTANCE_LIMIT ? null : name;
}
