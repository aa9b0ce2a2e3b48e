/**
 * The HTTP headers between servers of this kind. The original does not look at them. See
 * docs/decisions/0010-cluster.md.
 *
 * @module
 */

/**
 * The header of a posted message that its receiver has already. The receiver is asked to relay it to the servers
 * that `touched` does not list. The server that promised it to them cannot reach them any more.
 */
export const DELEGATE_HEADER = "aphlict-handover";

/** The header of every request of a server to another: the sender's fingerprint, which shows that it is up. */
export const FINGERPRINT_HEADER = "aphlict-fingerprint";

/**
 * The header of a request for the status page: the text to sign with the key whose hash is the receiver's
 * fingerprint. See docs/decisions/0015-peers-prove-themselves.md.
 */
export const CHALLENGE_HEADER = "aphlict-challenge";

/**
 * The header of a posted message whose sender asks for a receipt with the number of listeners that got it. Phorge
 * and servers of the original never send it, and get the original's receipt.
 */
export const RECEIPT_HEADER = "aphlict-receipt";
