/**
 * The status page of the admin server.
 *
 * @module
 */

import type { Status } from "../hub/hub.ts";

/** What Phorge shows for a server whose protocol it knows (Phorge's `AphlictAdminServer.js`). */
const PROTOCOL_VERSION = 7;

/**
 * The hub's status under the names and in the order of the original, and what the original has not.
 *
 * @param cluster How each peer is.
 * @param proof The answer to who has asked for one.
 */
export function statusOf(
  status: Status,
  cluster: readonly unknown[],
  proof: string | null,
): Record<string, unknown> {
  return {
    instance: status.instance,
    uptime: Math.floor(status.uptimeMs),
    "clients.active": status.active,
    "clients.total": status.total,
    "messages.in": status.messagesIn,
    "messages.out": status.messagesOut,
    version: PROTOCOL_VERSION,
    "history.size": status.historySize,
    "history.age": status.historyAgeMs === null ? null : Math.floor(status.historyAgeMs),
    fingerprint: status.fingerprint,
    ...proof === null ? {} : { proof },
    cluster,
  };
}
