/**
 * Values that several kinds of entry of a configuration hold.
 *
 * @module
 */

import { pathFault } from "./files.ts";
import { hostFault } from "./host.ts";
import { text, wholeNumber } from "./schema.ts";

export const port = wholeNumber("a port", "a whole number from 1 to 65535", 1, 65_535);
export const host = text("a host", "an IPv4 address, an IPv6 address or a host name", hostFault);
export const file = text("a path", "the path of a file in quotes", pathFault);

/** Phorge tests many keys for truth, so an empty text is as good as none. */
export const NONE = [null, ""];
