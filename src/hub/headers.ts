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

/** On every request of a server to another: its fingerprint. Who did not know that it is there, knows now. */
export const FINGERPRINT_HEADER = "aphlict-fingerprint";

/**
 * On a request for the status page: what its receiver is to sign with the key that its fingerprint is the hash
 * of. See docs/decisions/0015-peers-prove-themselves.md.
 */
export const CHALLENGE_HEADER = "aphlict-challenge";

/**
 * On a posted message: its sender asks for a receipt that tells how many listeners got it. Phorge and servers of
 * the original never send it, and get the original's receipt.
 */
export const RECEIPT_HEADER = "aphlict-receipt";
