/**
 * Which instance a browser belongs to.
 *
 * @module
 */

import { DEFAULT_INSTANCE } from "../hub/hub.ts";

/**
 * The instance in a request's path: what stands between the first `~` and the next, slashes
 * removed, whatever a reverse proxy put before it (Phorge's `AphlictClientServer.js`).
 */
export function instanceOf(path: string): string {
  const name = path.split("~", 2)[1]?.replaceAll("/", "");
  return name || DEFAULT_INSTANCE;
}
