/**
 * What servers of this kind tell each other in HTTP headers, which the original does not look at. See
 * docs/decisions/0010-cluster.md.
 *
 * @module
 */

/**
 * On a posted message: its receiver has it already, and is asked to pass it on to the servers that
 * `touched` does not list, as whoever had said that they get it cannot reach them any more.
 */
export const HANDOVER_HEADER = "aphlict-handover";

/**
 * On a request for the status page: the fingerprint of the server that asks. Who did not know that it
 * is there, knows now.
 */
export const FINGERPRINT_HEADER = "aphlict-fingerprint";
